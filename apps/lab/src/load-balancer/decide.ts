// Through which node the world reaches an address. Pure.
import type { Prefix } from "@tsilium/net";

/** What makes somebody want a route. */
export type RouteNeed = {
  readonly prefix: Prefix;
  /** "namespace/service" or "pool NAME". */
  readonly of: string;
  /** externalTrafficPolicy Local: the nodes that have an endpoint; undefined: any node will do. */
  readonly localNodes: ReadonlySet<string> | undefined;
};

export type LoadBalancerRoute = {
  readonly prefix: Prefix;
  readonly node: string;
  readonly of: readonly string[];
};

/**
 * One route per prefix, by the prefix as text. A route stays with its node while that will do: connections of an
 * address that moves would meet a node that does not know them.
 * @param nodes ready ones, the preferred first
 */
export function decideRoutes(
  needs: readonly RouteNeed[],
  nodes: readonly string[],
  before: ReadonlyMap<string, LoadBalancerRoute>,
): Map<string, LoadBalancerRoute> {
  const routes = new Map<string, LoadBalancerRoute>();
  for (const [key, group] of Map.groupBy(needs, ({ prefix }) => prefix.toString())) {
    const able = group.reduce((left, need) => narrowed(left, need), nodes);
    const earlier = before.get(key)?.node;
    const node = earlier !== undefined && able.includes(earlier) ? earlier : able[0];
    if (node === undefined) continue;
    const { prefix } = group[0] as RouteNeed;
    routes.set(key, { prefix, node, of: group.map(({ of }) => of).toSorted() });
  }
  return routes;
}

/** Without an endpoint anywhere that counts, any node may say that there is none. */
function narrowed(nodes: readonly string[], { localNodes }: RouteNeed): readonly string[] {
  const local = nodes.filter((node) => localNodes?.has(node) ?? true);
  return local.length > 0 ? local : nodes;
}
