// The few words that random worlds and policies are made of: few, so that selectors, ports and blocks collide.
import type { Random } from "@tsilium/testkit";
import type { Family } from "../naive/index.ts";

export const clusterName = "lab";
export const namespaceNames = ["red", "blue", "green", "teal"];
export const nodeNames = ["node-1", "node-2", "node-3"];

/** Values of each label key of pods, namespaces and nodes. One key is everywhere: sources must keep it apart. */
export const podLabels = { app: ["web", "db", "cache"], tier: ["front", "back"] };
export const namespaceLabels = { env: ["prod", "dev"], team: ["one", "two"], app: ["web"] };
export const nodeLabels = { zone: ["east", "west"], env: ["prod", "dev"], app: ["web", "db"] };

export const portNames = ["http", "dns", "metrics", "none-has-this"];
/** That L7 rules are about more often than about others. */
export const webPort = 80;
export const portNumbers = [53, 80, 81, 443, 8080, 9090];
export const portRanges = [
  [80, 81],
  [79, 443],
  [1, 65_535],
  [1024, 65_535],
  [8079, 8081],
  [8000, 9090],
] as const;
/** None of errors, which belong to the flows that they are about. */
export const icmpTypes = { 4: [0, 8, 13], 6: [128, 129, 139] } as const;

/** Blocks around pods, nodes and the world, many inside one another. */
export const blocks: Readonly<Record<Family, readonly string[]>> = {
  4: [
    "0.0.0.0/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "203.0.112.0/22",
    "203.0.113.0/24",
    "203.0.113.0/28",
    "203.0.113.8/29",
    "203.0.113.10/32",
    "10.0.0.0/8",
    "10.244.0.0/16",
    "10.244.0.0/29",
    "10.244.1.0/24",
    "172.18.0.0/16",
    "172.18.0.3/32",
  ],
  6: [
    "::/0",
    "2000::/3",
    "2001:db8:112::/47",
    "2001:db8:113::/48",
    "2001:db8:113::/64",
    "2001:db8:113::10/128",
    "fc00::/7",
    "fd00:10:244::/56",
    "fd00:10:244::/125",
    "fd00:10:244:1::/64",
    "fc00:18::/64",
    "fc00:18::3/128",
  ],
};

/** Addresses outside the cluster: inside blocks, at their edges and just past them. */
export const outsideAddresses: readonly string[] = [
  "203.0.113.10",
  "203.0.113.15",
  "203.0.113.16",
  "203.0.113.7",
  "203.0.112.255",
  "203.0.116.0",
  "10.9.9.9",
  "127.255.255.255",
  "128.0.0.0",
  "2001:db8:113::10",
  "2001:db8:113:0:ffff:ffff:ffff:ffff",
  "2001:db8:113:1::",
  "2001:db8:112::1",
  "2001:db8:114::",
  "4000::",
];

/** The outside API server's. */
export const apiServerAddresses = ["203.0.113.9", "2001:db8:113::9"];

/** `count` different choices, in their order. */
export function some<T>(random: Random, choices: readonly T[], count: number): T[] {
  const left = choices.map((_, index) => index);
  const taken = new Set<number>();
  while (taken.size < Math.min(count, choices.length)) taken.add(random.pick(left));
  return choices.filter((_, index) => taken.has(index));
}

/** Between `least` and `most` of what `make` makes. */
export function several<T>(random: Random, range: readonly [number, number], make: () => T): T[] {
  const [least, most] = range;
  return Array.from({ length: least + random.below(most - least + 1) }, make);
}

/** An object without the members that are undefined: YAML has no such thing. */
export function compact<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
