// Keeps the API server's CiliumNode of this node true: created, corrected when somebody changes it, created
// again when somebody deletes it.
import {
  KubeError,
  type CiliumNode,
  type KubeClient,
  type KubeObject,
  type Resource,
  resources,
} from "@tsilium/kube";
import { Reconciler, type ReconcilerLog, type ReconcilerStatus, Table } from "@tsilium/tables";
import { objectOf, patchOf } from "./decide.ts";
import { NodeError } from "./errors.ts";
import type { LocalNode, Node } from "./model.ts";

/**
 * Makes the CiliumNode say what `local` says; creates it if there is none. Idempotent: nothing is written when
 * nothing differs. Answers the object as it is afterwards.
 * @throws NodeError node_missing, KubeError, the signal's reason
 */
export async function ensureLocalNode(
  client: KubeClient,
  local: LocalNode,
  signal: AbortSignal,
): Promise<CiliumNode> {
  const { name } = local;
  const node = await read(client, resources.nodes, name, signal);
  // Nobody would take a CiliumNode away whose Node is gone already but the operator, and we would fight it.
  if (!node) throw new NodeError("node_missing", `there is no Node ${name}`);
  const { uid = "" } = node.metadata;
  const existing = await read(client, resources.ciliumNodes, name, signal);
  if (!existing) return client.create(resources.ciliumNodes, objectOf(local, uid), { signal });
  const patch = patchOf(local, uid, existing);
  if (!patch) return existing;
  return client.patch(resources.ciliumNodes, name, { type: "merge", patch, signal });
}

export type NodePublisherOptions = {
  readonly client: KubeClient;
  /** Discovered nodes: a change of our own object by others shows there. */
  readonly nodes: Table<Node>;
  readonly log?: ReconcilerLog;
};

/** Publishes what it was last told, again and again, until stopped. */
export class NodePublisher implements Disposable {
  readonly #local: Table<LocalNode> = new Table<LocalNode>({
    name: "local-node",
    key: ({ name }) => name,
  });
  readonly #options: NodePublisherOptions;
  readonly #reconciler: Reconciler<LocalNode>;
  #subscription: Disposable | undefined;

  constructor(options: NodePublisherOptions) {
    this.#options = options;
    this.#reconciler = new Reconciler<LocalNode>({
      name: "local-node",
      table: this.#local,
      operations: {
        update: async (row, signal) => void (await ensureLocalNode(options.client, row, signal)),
        delete: () => undefined,
      },
      ...(options.log ? { log: options.log } : {}),
    });
  }

  start(): void {
    this.#subscription = this.#options.nodes.subscribe(({ row }) => {
      const local = this.#local.get(row.name);
      // Our own writes come back too: then the reconciler finds nothing to do.
      if (local) this.#local.upsert(local);
    });
    this.#reconciler.start();
  }

  /** What is true of this node from now on. */
  publish(local: LocalNode): void {
    this.#local.upsert(local);
  }

  /** Resolves when what was published last is in the API server. @throws the signal's reason */
  settled(signal: AbortSignal): Promise<void> {
    return this.#reconciler.settled(signal);
  }

  status(): ReconcilerStatus {
    return this.#reconciler.status();
  }

  async stop(): Promise<void> {
    this.#subscription?.[Symbol.dispose]();
    await this.#reconciler.stop();
  }

  [Symbol.dispose](): void {
    this.#subscription?.[Symbol.dispose]();
    this.#reconciler[Symbol.dispose]();
  }
}

async function read<T extends KubeObject>(
  client: KubeClient,
  resource: Resource<T>,
  name: string,
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    return await client.get(resource, name, { signal });
  } catch (error) {
    if (KubeError.isNotFound(error)) return undefined;
    throw error;
  }
}
