// Routes to pods whose addresses are in no block of the node's: one each, to tsi_host, whose program delivers. Modes that
// hand out single addresses or CIDRs that come and go, other plugins' addresses, and chained interfaces need them.
import { hostDevice } from "@tsilium/datapath";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import { Address, Prefix } from "@tsilium/net";
import type { RouteSpec, Rtnl } from "@tsilium/netlink";
import type { Logger } from "@tsilium/runtime";
import type { Table } from "@tsilium/tables";
import type { NodeFacts } from "../node/facts.ts";

/** RTPROT_* number of these routes: next to the datapath's own (84), which prunes what it does not know. */
export const podRouteProtocol = 85;
/** As for the node's blocks: IPv6 needs a gateway, and no such neighbour exists. */
const gatewayIpv6 = Address.parse("fe80::1");

export type PodRoutesOptions = {
  readonly rtnl: Pick<Rtnl, "routes">;
  readonly facts: Pick<NodeFacts, "podCidrs" | "ipv4" | "ipv6" | "routerIpv4">;
  readonly endpoints: Table<Endpoint>;
  readonly log: Logger;
};

/** Begins with the endpoints there are. Disposing ends it, and leaves the routes: pods go on without the agent. */
export class PodRoutes implements Disposable {
  readonly #options: PodRoutesOptions;
  readonly #subscription: Disposable;
  /** By endpoint. */
  readonly #installed = new Map<number, readonly Prefix[]>();

  constructor(options: PodRoutesOptions) {
    this.#options = options;
    this.#prune();
    this.#subscription = options.endpoints.subscribe(
      ({ kind, row }) => this.#sync(row, kind === "upsert"),
      { replay: true },
    );
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }

  #sync(endpoint: Endpoint, exists: boolean): void {
    const { rtnl, log } = this.#options;
    const wanted = exists && hasRoutes(endpoint) ? this.#wanted(endpoint) : [];
    const before = this.#installed.get(endpoint.id) ?? [];
    if (String(before) === String(wanted)) return;
    try {
      for (const prefix of before)
        if (!wanted.some((each) => each.equals(prefix))) rtnl.routes.delete(ours(prefix));
      for (const prefix of wanted) rtnl.routes.replace(this.#routeTo(prefix));
      if (wanted.length === 0) this.#installed.delete(endpoint.id);
      else this.#installed.set(endpoint.id, wanted);
    } catch (error) {
      log.warn({ endpoint: endpoint.id, error }, "the route to a pod cannot be set");
    }
  }

  #wanted({ ipv4, ipv6, chained }: Endpoint): Prefix[] {
    const { podCidrs } = this.#options.facts;
    return [ipv4, ipv6].flatMap((address) =>
      address && (chained || !podCidrs.some((cidr) => cidr.contains(address)))
        ? [Prefix.host(address)]
        : [],
    );
  }

  #routeTo(destination: Prefix): RouteSpec {
    const { ipv4, ipv6, routerIpv4 } = this.#options.facts;
    const source = destination.family === 4 ? ipv4 : ipv6;
    const gateway = destination.family === 4 ? routerIpv4 : gatewayIpv6;
    return {
      ...ours(destination),
      device: hostDevice,
      ...(gateway ? { gateway } : {}),
      ...(source ? { source } : {}),
    };
  }

  /** Removes what an earlier agent's pods had that are gone by now. */
  #prune(): void {
    const { rtnl, endpoints } = this.#options;
    const kept = new Set(
      [...endpoints.values()].flatMap((endpoint) => this.#wanted(endpoint).map(String)),
    );
    for (const { destination, protocol } of rtnl.routes.list())
      if (protocol === podRouteProtocol && !kept.has(destination.toString()))
        rtnl.routes.delete(ours(destination));
  }
}

function hasRoutes({ state }: Endpoint): boolean {
  return state !== "disconnecting" && state !== "disconnected" && state !== "invalid";
}

function ours(destination: Prefix): RouteSpec {
  return { destination, protocol: podRouteProtocol };
}
