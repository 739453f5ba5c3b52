// Giving addresses back, so that no pod ever has one that went. Pure. The operator and the node's agent agree on each by
// CiliumNode.status.ipam.release-ips; the words are Cilium's:
//
//   operator: marked-for-release --> agent: ready-for-release --> operator takes it away: released --> agent: entry gone
//                              \---> agent: do-not-release ----> operator: entry gone
import type { Address } from "@tsilium/net";
import type { Holdings, NetworkInterface } from "../model.ts";
import {
  indexOf,
  type InterfaceRules,
  podAddresses,
  podInterfaces,
  prefixSize,
} from "./interfaces.ts";

export type ReleaseStatus =
  | "marked-for-release"
  | "ready-for-release"
  | "do-not-release"
  | "released";

/** One interface's addresses and prefixes that nobody uses. */
export type Spare = Holdings & { readonly interfaceId: string };

/**
 * Up to `count` addresses of one interface that nobody uses, of the one that has most of them; of equals the last one,
 * so that first ones stay full. A prefix goes as a whole or not at all. Undefined when nothing can go.
 */
export function chooseSpare(
  interfaces: readonly NetworkInterface[],
  options: {
    readonly count: number;
    /** Addresses in use, as text. */
    readonly used: ReadonlySet<string>;
    readonly rules: InterfaceRules;
  },
): Spare | undefined {
  const { count, used, rules } = options;
  const spares = podInterfaces(interfaces, rules)
    .toSorted((a, b) => indexOf(b) - indexOf(a))
    .map((eni) => spareOf(eni, used, count))
    .filter((spare) => sizeOf(spare) > 0);
  return spares.toSorted((a, b) => sizeOf(b) - sizeOf(a))[0];
}

function spareOf(eni: NetworkInterface, used: ReadonlySet<string>, count: number): Spare {
  const isFree = (address: Address) => !used.has(address.toString());
  const prefixes = eni.prefixes
    .filter((prefix) =>
      podAddresses({ ...eni, secondary: [], prefixes: [prefix] }, noPrimary).every(isFree),
    )
    .slice(0, Math.floor(count / prefixSize));
  const secondary = eni.secondary
    .filter(isFree)
    .slice(0, Math.max(0, count - prefixes.length * prefixSize));
  return { interfaceId: eni.id, secondary, prefixes };
}

const noPrimary = { usePrimaryAddress: false } as const;

/** In addresses. */
export function sizeOf({ secondary, prefixes }: Holdings): number {
  return secondary.length + prefixes.length * prefixSize;
}

/** Every address of it, as text. */
export function addressesOf({ secondary, prefixes }: Holdings): string[] {
  return [
    ...secondary.map(String),
    ...prefixes.flatMap((prefix) =>
      Array.from({ length: Number(prefix.size) }, (_, at) => prefix.nth(at).toString()),
    ),
  ];
}

/**
 * What may be taken away now: secondary addresses that the agent let go, and prefixes of which it let go all. What is in
 * use after all stays, whatever was agreed.
 */
export function readyToGo(
  interfaces: readonly NetworkInterface[],
  statuses: Readonly<Record<string, string>>,
  used: ReadonlySet<string>,
): Spare[] {
  const isReady = (address: string) =>
    statuses[address] === "ready-for-release" && !used.has(address);
  return interfaces
    .map((eni) => ({
      interfaceId: eni.id,
      secondary: eni.secondary.filter((address) => isReady(address.toString())),
      prefixes: eni.prefixes.filter((prefix) =>
        addressesOf({ secondary: [], prefixes: [prefix] }).every(isReady),
      ),
    }))
    .filter((spare) => sizeOf(spare) > 0);
}
