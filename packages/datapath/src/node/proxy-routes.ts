// How packets that programs marked for a proxy get to it: a rule sends them to a table that says every address is here.
import { routeProtocol, type Rtnl } from "@tsilium/netlink";
import { Prefix, type Family } from "@tsilium/net";
import type { DatapathConfig } from "../model.ts";

/** Cilium's numbers of mark, mask, rule and table. The mark is MARK_TO_PROXY of bpf/lib/proxy_marks.h. */
const mark = 0x0200;
const markMask = 0x0f00;
const rulePriority = 9;
const table = 2004;

const families: readonly Family[] = [4, 6];

/** Makes the node's stack deliver what is marked. Idempotent. @throws NetlinkError */
export function ensureProxyRoutes(
  rtnl: Rtnl,
  { enableIpv4, enableIpv6 }: Pick<DatapathConfig, "enableIpv4" | "enableIpv6">,
): void {
  for (const family of families) {
    if (family === 4 ? !enableIpv4 : !enableIpv6) continue;
    rtnl.routes.replace(routeOf(family));
    rtnl.rules.ensure(ruleOf(family));
  }
}

/** Fine when they are not there. */
export function removeProxyRoutes(rtnl: Rtnl): void {
  for (const family of families) {
    rtnl.rules.delete(ruleOf(family));
    rtnl.routes.delete(routeOf(family));
  }
}

function routeOf(family: Family) {
  return {
    destination: Prefix.parse(family === 4 ? "0.0.0.0/0" : "::/0"),
    table,
    type: "local",
    scope: "host",
    device: "lo",
    protocol: routeProtocol.static,
  } as const;
}

function ruleOf(family: Family) {
  return { family, priority: rulePriority, table, mark, markMask } as const;
}
