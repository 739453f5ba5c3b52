// Which of an instance's interfaces serve pods, what they hold, and which of them can hold more. Pure.
import type { Address } from "@tsilium/net";
import type { Grant, InstanceLimits, NetworkInterface, Tags } from "../model.ts";

/** A node's wishes of its interfaces (CiliumNode.spec.eni). */
export type InterfaceRules = {
  /** Interfaces of a lower device index are not for pods. */
  readonly firstInterfaceIndex: number;
  /** Those that have all of these are not for pods; empty: none. */
  readonly excludeTags: Tags;
  /** The interface's own address is for pods too. */
  readonly usePrimaryAddress: boolean;
  /** Ask for /28 prefixes where the type can have them. */
  readonly prefixDelegation: boolean;
};

/** Addresses of one /28. */
export const prefixSize = 16;
export const prefixLength = 28;

export function hasTags(tags: Tags, wanted: Tags): boolean {
  return Object.entries(wanted).every(([key, value]) => tags[key] === value);
}

/** Whether pods may have addresses of it. */
export function servesPods(eni: NetworkInterface, rules: InterfaceRules): boolean {
  const { attachment, tags } = eni;
  if (!attachment || attachment.deviceIndex < rules.firstInterfaceIndex) return false;
  const isExcluded = Object.keys(rules.excludeTags).length > 0 && hasTags(tags, rules.excludeTags);
  return !isExcluded && eni.state !== "detaching";
}

/** By device index. */
export function podInterfaces(
  interfaces: Iterable<NetworkInterface>,
  rules: InterfaceRules,
): NetworkInterface[] {
  return [...interfaces]
    .filter((eni) => servesPods(eni, rules))
    .toSorted((a, b) => indexOf(a) - indexOf(b));
}

export function indexOf(eni: NetworkInterface): number {
  return eni.attachment?.deviceIndex ?? -1;
}

/** What pods can have of it: secondary addresses and every address of its prefixes. */
export function podAddresses(
  eni: NetworkInterface,
  rules: Pick<InterfaceRules, "usePrimaryAddress">,
): Address[] {
  return [
    // The instance's own address stays the host's.
    ...(rules.usePrimaryAddress && indexOf(eni) !== 0 ? [eni.primary] : []),
    ...eni.secondary,
    // A delegated prefix is no subnet: its first and last address are as good as the others.
    ...eni.prefixes.flatMap((prefix) =>
      Array.from({ length: Number(prefix.size) }, (_, at) => prefix.nth(at)),
    ),
  ];
}

/** How many more addresses or prefixes it can be given: each takes one place. */
export function freePlaces(
  eni: Pick<NetworkInterface, "secondary" | "prefixes">,
  limits: InstanceLimits,
): number {
  const taken = 1 + eni.secondary.length + eni.prefixes.length;
  return Math.max(0, limits.ipv4PerInterface - taken);
}

/** What to ask for, so that `wanted` addresses come of it or as many as fit into `places` and the subnet. 0: nothing. */
export function grantFor(
  wanted: number,
  room: { readonly places: number; readonly inSubnet: number; readonly prefixes: boolean },
): Grant {
  const { places, inSubnet } = room;
  if (!room.prefixes)
    return { kind: "addresses", count: Math.max(0, Math.min(wanted, places, inSubnet)) };
  const count = Math.min(Math.ceil(wanted / prefixSize), places, Math.floor(inSubnet / prefixSize));
  return { kind: "prefixes", count: Math.max(0, count) };
}

/** The lowest device index that no interface has, from 1 on; undefined when the instance has all it may have. */
export function freeIndex(
  interfaces: readonly NetworkInterface[],
  { interfaces: most }: InstanceLimits,
  { firstInterfaceIndex }: Pick<InterfaceRules, "firstInterfaceIndex">,
): number | undefined {
  if (interfaces.length >= most) return undefined;
  const taken = new Set(interfaces.map(indexOf));
  // An index below the first would make an interface that is not for pods.
  let index = Math.max(1, firstInterfaceIndex);
  while (taken.has(index)) index++;
  return index;
}
