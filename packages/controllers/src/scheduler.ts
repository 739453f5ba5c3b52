// The scheduler: gives every pod without a node the best one, one pod at a time.
import { objectKey, resources, type Node, type Pod } from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { type EventFacts, EventRecorder } from "./events.ts";
import { ignoreNotFound, isOvertaken } from "./failures.ts";
import { conditionOf, isActive, isFinished, isTerminating, withCondition } from "./objects.ts";
import { choose, whyNowhere, type World } from "./placement.ts";

export class Scheduler extends Controller {
  /** Bound by us, not yet so in the cache: pod key -> node. */
  readonly #assumed = new Map<string, string>();
  readonly #homeless = new Set<string>();
  readonly #events: EventRecorder;
  #byNode = new Map<string, Map<string, Pod>>();

  constructor(context: Context) {
    super(context, { name: "scheduler", concurrency: 1 });
    this.#events = new EventRecorder("default-scheduler", context);
  }

  protected watch(): void {
    const { pods, nodes } = this.context.caches;
    pods.table.subscribe(
      ({ kind, row, previous }) => {
        const key = objectKey(row);
        if (kind === "delete") this.#forget(key, row);
        else this.#note(key, row, previous);
        if (kind === "upsert" && isWaiting(row)) this.queue.add(key);
      },
      { replay: true },
    );
    nodes.table.subscribe(({ kind, row, previous }) => {
      if (kind === "upsert" && previous && !makesADifference(row, previous)) return;
      this.#retryHomeless();
    });
  }

  #note(key: string, pod: Pod, previous: Pod | undefined): void {
    if (pod.spec.nodeName) {
      this.#assumed.delete(key);
      this.#homeless.delete(key);
    }
    if (previous?.spec.nodeName) this.#byNode.get(previous.spec.nodeName)?.delete(key);
    if (!pod.spec.nodeName || isFinished(pod)) return;
    const there = this.#byNode.get(pod.spec.nodeName) ?? new Map<string, Pod>();
    this.#byNode.set(pod.spec.nodeName, there.set(key, pod));
  }

  #forget(key: string, pod: Pod): void {
    this.#assumed.delete(key);
    this.#homeless.delete(key);
    if (pod.spec.nodeName) this.#byNode.get(pod.spec.nodeName)?.delete(key);
    // Its place, its host ports or its neighbourhood may be what another waits for.
    this.#retryHomeless();
  }

  #retryHomeless(): void {
    for (const key of this.#homeless) this.queue.add(key);
  }

  protected async reconcile(key: string): Promise<void> {
    const { client, caches, signal } = this.context;
    const pod = caches.pods.get(key);
    if (!pod || !isWaiting(pod) || this.#assumed.has(key)) return;
    const world = this.#world();
    const node = choose(pod, world);
    if (!node) {
      this.#homeless.add(key);
      await this.#tellUnschedulable(pod, world);
      return;
    }
    const name = node.metadata.name ?? "";
    this.#assumed.set(key, name);
    try {
      const { namespace = "", name: podName = "" } = pod.metadata;
      await client.bindPod({ namespace, name: podName }, name, { signal });
      const message = `Successfully assigned ${namespace}/${podName} to ${name}`;
      this.#tell(pod, { type: "Normal", reason: "Scheduled", message });
    } catch (error) {
      this.#assumed.delete(key);
      // Gone, or bound by another: either way it waits for us no longer.
      if (!isOvertaken(error)) throw error;
    }
  }

  #world(): World {
    const { pods, nodes } = this.context.caches;
    const occupancy = new Map(
      [...this.#byNode].map(([node, there]) => [node, [...there.values()]]),
    );
    for (const [key, node] of this.#assumed) {
      const pod = pods.get(key);
      if (pod && isActive(pod)) occupancy.set(node, [...(occupancy.get(node) ?? []), pod]);
    }
    return { nodes: [...nodes.table.values()], occupancy };
  }

  #tell(pod: Pod, facts: EventFacts): void {
    this.#events.record({ ...pod, apiVersion: "v1", kind: "Pod" }, facts);
  }

  async #tellUnschedulable(pod: Pod, world: World): Promise<void> {
    const message = whyNowhere(pod, world);
    const told = conditionOf(pod, "PodScheduled");
    if (told?.status === "False" && told.message === message) return;
    this.#tell(pod, { type: "Warning", reason: "FailedScheduling", message });
    const conditions = withCondition(pod.status?.conditions, {
      type: "PodScheduled",
      status: "False",
      reason: "Unschedulable",
      message,
    });
    await ignoreNotFound(
      this.context.client.patchStatus(resources.pods, pod.metadata.name ?? "", {
        namespace: pod.metadata.namespace,
        status: { conditions },
        signal: this.context.signal,
      }),
    );
  }
}

function isWaiting(pod: Pod): boolean {
  const schedulerName =
    (pod.spec as { readonly schedulerName?: string }).schedulerName ?? "default-scheduler";
  return (
    !pod.spec.nodeName &&
    !isTerminating(pod) &&
    !isFinished(pod) &&
    schedulerName === "default-scheduler"
  );
}

/** Heartbeats change nodes all the time; only these changes open a place. */
function makesADifference(node: Node, previous: Node): boolean {
  const facts = (of: Node) =>
    JSON.stringify([
      conditionOf(of, "Ready")?.status,
      of.spec?.unschedulable,
      of.spec?.taints,
      of.metadata.labels,
    ]);
  return facts(node) !== facts(previous);
}
