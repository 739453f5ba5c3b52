// The cgroups that proxies run in: what they connect to servers with is marked there (packages/datapath, ProxyHooks).
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Direction } from "@tsilium/policy/model.ts";

export type ProxyCgroups = Readonly<Record<Direction, string>>;

/** @param root the node's cgroup v2 folder */
export function proxyCgroups(root: string): ProxyCgroups {
  return { egress: join(root, "proxy-egress"), ingress: join(root, "proxy-ingress") };
}

/** A part of Datapath. */
export type ProxyDatapath = {
  readonly proxies: { attach(cgroups: ProxyCgroups): void };
  setProxies(on: boolean): void;
};

/** Makes the kernel ready for a proxy: to be called before one starts. Idempotent. @throws Error */
export function prepareCgroups(cgroups: ProxyCgroups, datapath: ProxyDatapath): void {
  for (const folder of Object.values(cgroups)) mkdirSync(folder, { recursive: true });
  datapath.proxies.attach(cgroups);
  datapath.setProxies(true);
}
