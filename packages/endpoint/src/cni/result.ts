// The answer to ADD in each specification version's format.
import type { Address, Mac, Prefix } from "@tsilium/net";
import type { Json } from "./netconf.ts";
import { type CniVersion, isAtLeast } from "./versions.ts";

/** What ADD did, in no version's format. */
export type AddResult = {
  /** Host-side veth. */
  readonly host: { readonly name: string; readonly mac: Mac };
  /** The pod's interface. */
  readonly container: {
    readonly name: string;
    readonly mac: Mac;
    readonly netns: string;
    /** Bytes. */
    readonly mtu: number;
  };
  readonly addresses: readonly { readonly prefix: Prefix; readonly gateway: Address }[];
  readonly routes: readonly {
    readonly destination: Prefix;
    readonly gateway: Address | undefined;
    /** Bytes; undefined: the interface's own. */
    readonly mtu: number | undefined;
  }[];
};

/** The answer of a chained plugin: the result of the one before it. */
export type PassedOnResult = { readonly passedOn: Json };

/** The JSON of a result that is passed on as it came. */
export function formatPassedOn({ passedOn }: PassedOnResult, cniVersion: CniVersion): string {
  return `${JSON.stringify({ ...passedOn, cniVersion })}\n`;
}

/**
 * The result's JSON. Up to 0.4.0 an address names its family in `version`; 1.1.0 adds MTUs.
 */
export function formatResult(result: AddResult, cniVersion: CniVersion): string {
  const namesFamily = !isAtLeast(cniVersion, "1.0.0");
  const saysMtu = isAtLeast(cniVersion, "1.1.0");
  const { host, container } = result;
  return `${JSON.stringify({
    cniVersion,
    interfaces: [
      { name: host.name, mac: host.mac.toString(), ...(saysMtu ? { mtu: container.mtu } : {}) },
      {
        name: container.name,
        mac: container.mac.toString(),
        ...(saysMtu ? { mtu: container.mtu } : {}),
        sandbox: container.netns,
      },
    ],
    ips: result.addresses.map(({ prefix, gateway }) => ({
      ...(namesFamily ? { version: String(prefix.family) } : {}),
      address: prefix.toString(),
      gateway: gateway.toString(),
      // Index into `interfaces`: the pod's own.
      interface: 1,
    })),
    routes: result.routes.map(({ destination, gateway, mtu }) => ({
      dst: destination.toString(),
      ...(gateway ? { gw: gateway.toString() } : {}),
      ...(saysMtu && mtu !== undefined ? { mtu } : {}),
    })),
    dns: {},
  })}\n`;
}
