// Which zone each endpoint serves, where services ask that zones be served in proportion to their size
// (service.kubernetes.io/topology-mode: Auto). Pure. As Kubernetes does it, in its simplest form: every endpoint serves its
// own zone, then zones with too many lend to those with too few. Better none than too few: where the endpoints
// do not suffice to keep every zone within a fifth of its share, they have no hints.
import type { Node } from "@tsilium/kube";
import { isReady } from "./objects.ts";

export const zoneLabel = "topology.kubernetes.io/zone";

/** Share of each zone in the cluster's processors; they add up to 1. */
export type ZoneShares = ReadonlyMap<string, number>;

/** More than it should serve by its share, at most. */
const overload = 0.2;
const controlPlane = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

/** Undefined when a node does not say its zone or its processors, or there are fewer than two zones. */
export function zoneShares(nodes: Iterable<Node>): ZoneShares | undefined {
  const cpus = new Map<string, number>();
  for (const node of nodes) {
    const { labels = {} } = node.metadata;
    if (controlPlane.some((label) => Object.hasOwn(labels, label)) || !isReady(node)) continue;
    const zone = labels[zoneLabel];
    const cpu = cpuOf(node.status?.allocatable?.["cpu"]);
    if (!zone || cpu === 0) return undefined;
    cpus.set(zone, (cpus.get(zone) ?? 0) + cpu);
  }
  const total = [...cpus.values()].reduce((sum, cpu) => sum + cpu, 0);
  if (cpus.size < 2) return undefined;
  return new Map([...cpus].sort(byKey).map(([zone, cpu]) => [zone, cpu / total]));
}

/** "4", "3920m"; 0 for what is no such quantity. */
function cpuOf(quantity: string | undefined): number {
  const found = /^(\d+(?:\.\d+)?)(m?)$/.exec(String(quantity ?? ""));
  return found ? Number(found[1]) / (found[2] === "m" ? 1000 : 1) : 0;
}

export type ZonedEndpoint = { readonly key: string; readonly zone: string | undefined };

/** By key, the zone that each endpoint serves; undefined: no hints. @param endpoints those that are ready */
export function sharedOut(
  endpoints: readonly ZonedEndpoint[],
  shares: ZoneShares,
): Map<string, string> | undefined {
  const targets = targetsFor(endpoints.length, shares);
  if (!targets || endpoints.some(({ zone }) => !zone)) return undefined;
  const byZone = Map.groupBy(
    endpoints.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    ({ zone = "" }) => zone,
  );
  const countOf = (zone: string) => byZone.get(zone)?.length ?? 0;
  // Both lists in the same order every time, so that an endpoint that comes or goes moves hardly any other.
  const lent = [...byZone]
    .sort(byKey)
    .flatMap(([zone, members]) => members.slice(targets.get(zone) ?? 0));
  const needs = [...targets].flatMap(([zone, target]) =>
    Array.from({ length: Math.max(0, target - countOf(zone)) }, () => zone),
  );
  const served = new Map(endpoints.map(({ key, zone = "" }) => [key, zone]));
  lent.forEach(({ key }, at) => served.set(key, needs[at] as string));
  return served;
}

/**
 * How many endpoints each zone has to have, all of them in sum; undefined when some zone cannot have what it needs at
 * least.
 */
function targetsFor(count: number, shares: ZoneShares): Map<string, number> | undefined {
  const targets = new Map(
    [...shares].map(([zone, share]) => [zone, Math.ceil((share * count) / (1 + overload))]),
  );
  const deficit = (zone: string) => (shares.get(zone) ?? 0) * count - (targets.get(zone) ?? 0);
  let left = count - [...targets.values()].reduce((sum, target) => sum + target, 0);
  if (left < 0) return undefined;
  for (; left > 0; left--) {
    let neediest = "";
    for (const zone of targets.keys())
      if (neediest === "" || deficit(zone) > deficit(neediest)) neediest = zone;
    targets.set(neediest, (targets.get(neediest) ?? 0) + 1);
  }
  return targets;
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
