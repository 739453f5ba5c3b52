// Keeps the routes to other nodes' pods. Routes of ours carry a protocol number of their own, so that those of nodes
// which vanished while the agent was away can be told from the administrator's.
import type { Route, RouteSpec, Rtnl } from "@tsilium/netlink";
import type { DatapathConfig, RoutedNode } from "../model.ts";
import { localRoutes, remoteRoutes } from "./routes.ts";
import type { DesiredRoute } from "./routes.ts";

/** RTPROT_* number of every route installed here: "T"; the kernel and known routing daemons use others. */
export const routeProtocolNumber = 84;

export class NodeRoutes {
  readonly #rtnl: Rtnl;
  readonly #config: DatapathConfig;
  readonly #installed = new Map<string, readonly DesiredRoute[]>();

  constructor(rtnl: Rtnl, config: DatapathConfig) {
    this.#rtnl = rtnl;
    this.#config = config;
  }

  /** Routes to this node's own pods. Idempotent. @throws NetlinkError */
  installLocal(): void {
    for (const route of localRoutes(this.#config)) this.#install(route);
  }

  /**
   * Installs the routes to a node's pods and removes those it no longer has. Idempotent.
   * @throws NetlinkError ENETUNREACH in native routing when the node is not on our underlay network
   */
  upsertNode(node: RoutedNode): void {
    const wanted = remoteRoutes(this.#config, node);
    const kept = new Set(wanted.map(({ destination }) => String(destination)));
    for (const route of this.#installed.get(node.name) ?? [])
      if (!kept.has(String(route.destination))) this.#remove(route);
    for (const route of wanted) this.#install(route);
    this.#installed.set(node.name, wanted);
  }

  /** Removes a node's routes; fine when there are none. */
  deleteNode(node: RoutedNode): void {
    for (const route of this.#installed.get(node.name) ?? remoteRoutes(this.#config, node))
      this.#remove(route);
    this.#installed.delete(node.name);
  }

  /** Removes routes that an earlier run installed for nodes that are not among these; ours and the local ones stay. */
  prune(nodes: readonly RoutedNode[]): void {
    const wanted = [
      ...localRoutes(this.#config),
      ...nodes.flatMap((node) => remoteRoutes(this.#config, node)),
    ];
    const kept = new Set(wanted.map(({ destination }) => String(destination)));
    for (const route of this.list())
      if (!kept.has(String(route.destination))) this.#rtnl.routes.delete(identifying(route));
  }

  /** Every route of ours in the main table. */
  list(): Route[] {
    return this.#rtnl.routes.list().filter((route) => route.protocol === routeProtocolNumber);
  }

  #install(route: DesiredRoute): void {
    this.#rtnl.routes.replace(routeSpec(route));
  }

  #remove(route: DesiredRoute): void {
    this.#rtnl.routes.delete({ destination: route.destination, protocol: routeProtocolNumber });
  }
}

/** What tells a route from others to the same destination. */
function identifying({ destination, device, protocol, table }: Route): RouteSpec {
  return { destination, protocol, table, ...(device === undefined ? {} : { device }) };
}

function routeSpec({ destination, gateway, device, source, mtu }: DesiredRoute): RouteSpec {
  return {
    destination,
    protocol: routeProtocolNumber,
    ...(gateway === undefined ? {} : { gateway }),
    ...(device === undefined ? {} : { device }),
    ...(source === undefined ? {} : { source }),
    ...(mtu === undefined ? {} : { mtu }),
  };
}
