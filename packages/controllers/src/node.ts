// Nodes: one whose heartbeat has stopped is not ready, and neither are its pods; the pods of one that is
// gone are gone.
import { KubeError, resources, type Node, type Pod, type Taint } from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { ignoreNotFound, isOvertaken } from "./failures.ts";
import { conditionOf, isReady, same, timestamp, withCondition } from "./objects.ts";

export type NodeOptions = {
  /** A node without a heartbeat for this long is not ready. Kubernetes: 40 s. */
  readonly gracePeriodMs: number;
  readonly checkEveryMs: number;
};

export const nodeDefaults: NodeOptions = { gracePeriodMs: 40_000, checkEveryMs: 5_000 };

const leaseNamespace = "kube-node-lease";
const heartbeatTaints = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

export class NodeController extends Controller {
  readonly #options: NodeOptions;
  /** When each node's heartbeat last moved, by our own clock: nodes' clocks may be wrong. */
  readonly #beats = new Map<string, { readonly beat: string; readonly seenAtMs: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(context: Context, options: NodeOptions = nodeDefaults) {
    super(context, { name: "node" });
    this.#options = options;
  }

  protected watch(): void {
    const { nodes, pods } = this.context.caches;
    nodes.table.subscribe(({ row }) => this.queue.add(row.metadata.name ?? ""), { replay: true });
    pods.table.subscribe(
      ({ kind, row }) => {
        if (kind === "upsert" && row.spec.nodeName && !nodes.get(row.spec.nodeName)) {
          // A pod may be bound a moment before we hear of its node.
          this.queue.addAfter(row.spec.nodeName, this.#options.checkEveryMs);
        }
      },
      { replay: true },
    );
    this.#timer = setInterval(() => {
      for (const node of nodes.table.values()) this.queue.add(node.metadata.name ?? "");
    }, this.#options.checkEveryMs);
  }

  override async stop(): Promise<void> {
    clearInterval(this.#timer);
    await super.stop();
  }

  protected async reconcile(name: string): Promise<void> {
    const node = this.context.caches.nodes.get(name);
    if (!node) {
      this.#beats.delete(name);
      return this.#deletePodsOf(name);
    }
    const silent = this.#isSilent(node);
    if (silent && conditionOf(node, "Ready")?.status !== "Unknown") await this.#markUnknown(node);
    await this.#setTaints(node, silent);
    if (silent) await this.#markPodsNotReady(name);
  }

  /** Nodes that never had a heartbeat of any kind are left alone. */
  #isSilent(node: Node): boolean {
    const name = node.metadata.name ?? "";
    const lease = this.context.caches.leases.get(`${leaseNamespace}/${name}`);
    const beat = lease?.spec?.renewTime ?? conditionOf(node, "Ready")?.lastHeartbeatTime;
    if (beat === undefined) return false;
    const known = this.#beats.get(name);
    if (known?.beat !== beat) {
      this.#beats.set(name, { beat, seenAtMs: performance.now() });
      return false;
    }
    return performance.now() - known.seenAtMs > this.#options.gracePeriodMs;
  }

  async #markUnknown(node: Node): Promise<void> {
    const conditions = withCondition(node.status?.conditions, {
      type: "Ready",
      status: "Unknown",
      reason: "NodeStatusUnknown",
      message: "Kubelet stopped posting node status.",
    });
    this.context.log.warn({ node: node.metadata.name }, "node stopped its heartbeat");
    await this.context.client.patchStatus(resources.nodes, node.metadata.name ?? "", {
      status: { conditions },
      signal: this.context.signal,
    });
  }

  async #setTaints(node: Node, silent: boolean): Promise<void> {
    const others = (node.spec?.taints ?? []).filter(
      (taint) => !heartbeatTaints.includes(taint.key),
    );
    const key = silent ? "unreachable" : isReady(node) ? undefined : "not-ready";
    const known = node.spec?.taints?.find((taint) => taint.key === `node.kubernetes.io/${key}`);
    const wanted: Taint[] =
      key === undefined
        ? others
        : [
            ...others,
            known ?? {
              key: `node.kubernetes.io/${key}`,
              effect: "NoSchedule",
              timeAdded: timestamp(),
            },
          ];
    if (same(wanted, node.spec?.taints ?? [])) return;
    try {
      await this.context.client.patch(resources.nodes, node.metadata.name ?? "", {
        type: "merge",
        patch: {
          metadata: { resourceVersion: node.metadata.resourceVersion },
          spec: { taints: wanted },
        },
        signal: this.context.signal,
      });
    } catch (error) {
      if (!isOvertaken(error)) throw error;
    }
  }

  #podsOf(name: string): Pod[] {
    return [...this.context.caches.pods.table.values()].filter((pod) => pod.spec.nodeName === name);
  }

  async #markPodsNotReady(name: string): Promise<void> {
    const { client, signal } = this.context;
    for (const pod of this.#podsOf(name).filter(isReady)) {
      const conditions = withCondition(pod.status?.conditions, {
        type: "Ready",
        status: "False",
        reason: "NodeNotReady",
      });
      await ignoreNotFound(
        client.patchStatus(resources.pods, pod.metadata.name ?? "", {
          namespace: pod.metadata.namespace,
          status: { conditions },
          signal,
        }),
      );
    }
  }

  /** Nobody is left to end them. The API is asked first: a cache that is late must not cost pods. */
  async #deletePodsOf(name: string): Promise<void> {
    const { client, signal } = this.context;
    const pods = this.#podsOf(name);
    if (pods.length === 0) return;
    try {
      await client.get(resources.nodes, name, { signal });
      return;
    } catch (error) {
      if (!KubeError.isNotFound(error)) throw error;
    }
    for (const pod of pods) {
      await client.delete(resources.pods, pod.metadata.name ?? "", {
        namespace: pod.metadata.namespace,
        gracePeriodSeconds: 0,
        ...(pod.metadata.uid ? { preconditions: { uid: pod.metadata.uid } } : {}),
        signal,
      });
    }
  }
}
