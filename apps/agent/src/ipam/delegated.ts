// Mode delegated-plugin: another CNI plugin hands out addresses (../cni/delegated.ts runs it); the agent keeps a record
// of who has which, so that one given twice is refused.
import { PoolIpam } from "@tsilium/ipam";
import { Address } from "@tsilium/net";
import type { IpamParts, IpamSource } from "./source.ts";

export function delegatedSource({ config, families }: IpamParts): IpamSource {
  const router = (family: 4 | 6) =>
    families.includes(family) ? Address.tryParse(config[`local-router-ipv${family}`]) : undefined;
  return {
    mode: "delegated-plugin",
    awaited: "this node's Node",
    publishesPodCidrs: false,
    learn: async () => ({ podCidrs: [], routerIpv4: router(4), routerIpv6: router(6) }),
    isComplete: ({ routerIpv4, routerIpv6 }) =>
      String(routerIpv4) === String(router(4)) && String(routerIpv6) === String(router(6)),
    open: () => new PoolIpam({ mode: "delegated-plugin", families: [] }),
  };
}
