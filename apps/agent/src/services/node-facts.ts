// What services must know of this node and of the cluster's nodes, kept current from tables.
import { isDeepStrictEqual } from "node:util";
import type { EndpointSlice, Node as KubeNode } from "@tsilium/kube";
import type { NodeFacts } from "@tsilium/loadbalancer/model.ts";
import type { Address } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import type { Change, Table } from "@tsilium/tables";
import { addressesOf, apiServerService, serviceOf } from "../ipcache/api-server.ts";

const zoneLabel = "topology.kubernetes.io/zone";

export type NodeFactsSources = {
  readonly name: string;
  /** This node's Node alone. */
  readonly ownNode: Table<KubeNode>;
  readonly ownAddresses: Table<Address>;
  readonly nodes: Table<Node>;
  /** Indexed by "service". */
  readonly slices: Table<EndpointSlice>;
};

/**
 * What became different. own: of this node, which every service may depend on. cluster: of other nodes and API servers,
 * which addresses that services bring along are held against.
 */
export type FactsChange = "own" | "cluster";

export class NodeFactsView implements Disposable {
  readonly #sources: NodeFactsSources;
  readonly #subscriptions = new DisposableStack();
  #facts: NodeFacts;
  #isStale = false;

  /** @param onStale told when `refresh` may find something */
  constructor(sources: NodeFactsSources, onStale: () => void) {
    const { ownNode, ownAddresses, nodes, slices } = sources;
    this.#sources = sources;
    this.#facts = factsOf(sources);
    const stale = () => {
      if (this.#isStale) return;
      this.#isStale = true;
      onStale();
    };
    this.#subscriptions.use(ownNode.subscribe(stale));
    this.#subscriptions.use(ownAddresses.subscribe(stale));
    this.#subscriptions.use(nodes.subscribe(stale));
    this.#subscriptions.use(slices.subscribe((slice) => isOfApiServer(slice) && stale()));
  }

  get current(): NodeFacts {
    return this.#facts;
  }

  /** Takes up what the tables say now. Answers what is different; undefined: nothing that matters. */
  refresh(): FactsChange | undefined {
    if (!this.#isStale) return undefined;
    this.#isStale = false;
    const before = this.#facts;
    const after = factsOf(this.#sources);
    if (isDeepStrictEqual(before, after)) return undefined;
    this.#facts = after;
    return isDeepStrictEqual(ownPart(before), ownPart(after)) ? "cluster" : "own";
  }

  [Symbol.dispose](): void {
    this.#subscriptions[Symbol.dispose]();
  }
}

/** Whether this node takes part in load balancing from outside: as kube-proxy's /healthz tells it. */
export function isEligible(node: KubeNode | undefined): boolean {
  const taints = node?.spec?.taints ?? [];
  const isLeaving = taints.some(({ key }) => key === "ToBeDeletedByClusterAutoscaler");
  return node?.metadata.deletionTimestamp === undefined && !isLeaving;
}

function factsOf({ name, ownNode, ownAddresses, nodes, slices }: NodeFactsSources): NodeFacts {
  const labels = ownNode.get(name)?.metadata.labels ?? {};
  const addresses = sorted(ownAddresses.values().toArray());
  const others = nodes
    .values()
    .toArray()
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const outer = others.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
  return {
    name,
    zone: labels[zoneLabel],
    labels,
    addresses,
    clusterAddresses: new Set([...addresses, ...outer].flatMap((found) => found?.toString() ?? [])),
    podCidrs: others.flatMap(({ podCidrs }) => podCidrs),
    apiServers: apiServersOf(slices.by("service", apiServerService)),
  };
}

function ownPart({ zone, labels, addresses }: NodeFacts) {
  return { zone, labels, addresses: addresses.map(String) };
}

function apiServersOf(slices: readonly EndpointSlice[]): NodeFacts["apiServers"] {
  return slices.flatMap((slice) => {
    const ports = (slice.ports ?? []).flatMap(({ port }) => port ?? []);
    return addressesOf(slice).flatMap((address) => ports.map((port) => ({ address, port })));
  });
}

function isOfApiServer({ row, previous }: Change<EndpointSlice>): boolean {
  return [row, previous].some((slice) => slice && serviceOf(slice) === apiServerService);
}

function sorted(addresses: readonly Address[]): Address[] {
  return addresses.toSorted((a, b) => a.family - b.family || a.compare(b));
}
