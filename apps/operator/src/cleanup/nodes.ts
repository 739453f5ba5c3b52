// What a node that left the cluster leaves behind: its CiliumEndpoints, then its CiliumNode. In that order,
// since with the CiliumNode its pod CIDRs go back to the pool.
import {
  type CiliumEndpoint,
  type CiliumNode,
  KubeError,
  type KubeClient,
  type Node,
  resources,
} from "@tsilium/kube";
import { type Operations, Table } from "@tsilium/tables";
import type { Logger } from "@tsilium/runtime";

export type NodeCleanerOptions = {
  readonly client: KubeClient;
  readonly nodes: Table<Node>;
  readonly ciliumNodes: Table<CiliumNode>;
  readonly log: Logger;
  /** Told of each object removed, for metrics. */
  readonly onRemoved: (kind: "CiliumNode" | "CiliumEndpoint") => void;
};

/** Cilium's mark for CiliumNodes that outlive their Node. */
const keepAnnotation = "cilium.io/do-not-gc";

export class NodeCleaner implements Disposable {
  /** CiliumNodes whose Node is gone, as far as the watches know. */
  readonly table: Table<CiliumNode> = new Table<CiliumNode>({
    name: "orphaned-nodes",
    key: ({ metadata }) => metadata.name ?? "",
  });
  readonly #options: NodeCleanerOptions;
  readonly #subscriptions = new DisposableStack();

  constructor(options: NodeCleanerOptions) {
    this.#options = options;
  }

  /** Begins; both tables must hold all there is by now. */
  start(): void {
    const { nodes, ciliumNodes } = this.#options;
    const derive = ({ row }: { readonly row: Node | CiliumNode }) =>
      this.#derive(row.metadata.name ?? "");
    this.#subscriptions.use(ciliumNodes.subscribe(derive, { replay: true }));
    this.#subscriptions.use(nodes.subscribe(derive));
  }

  /** For a reconciler over `table`. */
  get operations(): Operations<CiliumNode> {
    return {
      update: (orphan, signal) => this.#remove(orphan, signal),
      delete: () => undefined,
    };
  }

  [Symbol.dispose](): void {
    this.#subscriptions[Symbol.dispose]();
  }

  #derive(name: string): void {
    const { nodes, ciliumNodes } = this.#options;
    const ciliumNode = ciliumNodes.get(name);
    const kept = ciliumNode?.metadata.annotations?.[keepAnnotation] === "true";
    if (ciliumNode && !kept && !nodes.has(name)) this.table.upsert(ciliumNode);
    else this.table.delete(name);
  }

  async #remove(orphan: CiliumNode, signal: AbortSignal): Promise<void> {
    const { client, log, onRemoved } = this.#options;
    const { name = "", uid = "" } = orphan.metadata;
    // One watch may lag behind the other, so the API server has the last word.
    if (await exists(client, name, signal)) return;
    const addresses = new Set((orphan.spec?.addresses ?? []).map(({ ip }) => ip));
    const { items } = await client.list(resources.ciliumEndpoints, { signal });
    const left = items.filter(({ status }) => addresses.has(status?.networking?.node ?? ""));
    for (const endpoint of left)
      if (await removeEndpoint(client, endpoint, signal)) onRemoved("CiliumEndpoint");
    if (await client.delete(resources.ciliumNodes, name, { signal, preconditions: { uid } }))
      onRemoved("CiliumNode");
    log.info({ node: name, endpoints: left.length }, "removed what a deleted node left behind");
  }
}

/**
 * Deletes a CiliumEndpoint unless somebody wrote it since it was read: then it belongs to another pod, or to a
 * pod that lives. Answers whether it was deleted.
 */
export async function removeEndpoint(
  client: KubeClient,
  endpoint: CiliumEndpoint,
  signal: AbortSignal,
): Promise<boolean> {
  const { name = "", namespace, uid = "", resourceVersion = "" } = endpoint.metadata;
  try {
    return await client.delete(resources.ciliumEndpoints, name, {
      namespace,
      signal,
      preconditions: { uid, resourceVersion },
    });
  } catch (error) {
    if (KubeError.isConflict(error)) return false;
    throw error;
  }
}

async function exists(client: KubeClient, name: string, signal: AbortSignal): Promise<boolean> {
  try {
    await client.get(resources.nodes, name, { signal });
    return true;
  } catch (error) {
    if (KubeError.isNotFound(error)) return false;
    throw error;
  }
}
