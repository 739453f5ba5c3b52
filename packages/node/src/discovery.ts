// Follows CiliumNodes into a table of nodes.
import { type KubeClient, reflectObserved, resources, type WatchObserver } from "@tsilium/kube";
import type { Family } from "@tsilium/net";
import { Table } from "@tsilium/tables";
import { nodeOf, podCidrFamilies, sameNode } from "./decide.ts";
import { NodeError } from "./errors.ts";
import type { Node } from "./model.ts";

export type NodeDiscoveryOptions = {
  readonly client: KubeClient;
  readonly localName: string;
  readonly observer?: WatchObserver;
};

/** `start` begins the watch, its signal ends it. The table keeps its rows while the API server is away. */
export class NodeDiscovery {
  /** Every node that has a CiliumNode, the local one included, keyed by name. */
  readonly table: Table<Node> = new Table<Node>({
    name: "nodes",
    key: ({ name }) => name,
    equals: sameNode,
  });
  readonly #options: NodeDiscoveryOptions;

  constructor(options: NodeDiscoveryOptions) {
    this.#options = options;
  }

  /** This node, as the API server has it. */
  get local(): Node | undefined {
    return this.table.get(this.#options.localName);
  }

  /** Resolves when all nodes there are are known. @throws the signal's reason */
  async start(signal: AbortSignal): Promise<void> {
    const { client, localName, observer } = this.#options;
    const { synced } = reflectObserved(client, resources.ciliumNodes, {
      signal,
      observer,
      // At a cluster's start the kind may not be defined for a second.
      retry: { minMs: 50, maxMs: 1_000 },
      handlers: {
        upsert: (object) => void this.table.upsert(nodeOf(object, localName)),
        delete: (object) => void this.table.delete(object.metadata.name ?? ""),
      },
    });
    await synced;
  }

  /**
   * The local node once the operator has given it a pod CIDR of each of these families.
   * @throws NodeError pod_cidr_missing when the signal aborts first
   */
  async waitForPodCidrs(families: readonly Family[], signal: AbortSignal): Promise<Node> {
    const { localName } = this.#options;
    const missing = () => families.filter((family) => !podCidrFamilies(this.local).has(family));
    const { promise, resolve } = Promise.withResolvers<void>();
    using _subscription = this.table.subscribe(() => {
      if (missing().length === 0) resolve();
    });
    signal.addEventListener("abort", () => resolve(), { once: true });
    if (missing().length === 0 || signal.aborted) resolve();
    await promise;
    const node = this.local;
    if (node && missing().length === 0) return node;
    throw new NodeError(
      "pod_cidr_missing",
      `CiliumNode ${localName} has no IPv${missing().join(" and no IPv")} pod CIDR: is the operator running?`,
      { cause: signal.reason },
    );
  }
}
