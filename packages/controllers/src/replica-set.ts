// ReplicaSet: as many active pods as `spec.replicas` says, made from the template.
import {
  apiVersionOf,
  objectKey,
  resources,
  type KubeObject,
  type Pod,
  type PodTemplateSpec,
  type ReplicaSet,
} from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { EventRecorder } from "./events.ts";
import { isNamespaceGone } from "./failures.ts";
import { conditionOf, controllerReference, isActive, isReady, keyOfController } from "./objects.ts";
import { writeStatus } from "./status.ts";

/** Pods made or deleted at once for one set. */
const batch = 50;

export class ReplicaSetController extends Controller {
  readonly #events: EventRecorder;

  constructor(context: Context) {
    super(context, { name: "replicaset" });
    this.#events = new EventRecorder("replicaset-controller", context);
  }

  protected watch(): void {
    const { replicaSets, pods } = this.context.caches;
    replicaSets.table.subscribe(({ row }) => this.queue.add(objectKey(row)), { replay: true });
    pods.table.subscribe(({ row }) => {
      const owner = keyOfController(row, "ReplicaSet");
      if (owner !== undefined) this.queue.add(owner);
    });
  }

  protected async reconcile(key: string): Promise<void> {
    const { caches } = this.context;
    const set = caches.replicaSets.get(key);
    if (!set?.metadata.uid) return;
    const active = caches.pods.ownedBy(set.metadata.uid).filter(isActive);
    if (set.metadata.deletionTimestamp === undefined) await this.#scale(set, active);
    await this.#writeStatus(set, caches.pods.ownedBy(set.metadata.uid).filter(isActive));
  }

  async #scale(set: ReplicaSet, active: readonly Pod[]): Promise<void> {
    const { client, caches, signal } = this.context;
    const missing = (set.spec.replicas ?? 1) - active.length;
    if (missing > 0) {
      const pod = podFrom(set.spec.template, { owner: set, kind: "ReplicaSet" });
      const creations = Array.from({ length: Math.min(missing, batch) }, () =>
        client.create(resources.pods, pod, { signal }),
      );
      const results = await Promise.allSettled(creations);
      await caches.pods.seen(
        results.flatMap((result) => (result.status === "fulfilled" ? result.value : [])),
      );
      for (const result of results)
        if (result.status === "fulfilled")
          this.#tell(set, "SuccessfulCreate", "Created", result.value);
      const failed = results.find((result) => result.status === "rejected");
      if (failed && !isNamespaceGone(failed.reason)) throw failed.reason;
    } else if (missing < 0) {
      const victims = active.toSorted(byDispensability).slice(0, Math.min(-missing, batch));
      const gone = victims.map((pod) =>
        client.delete(resources.pods, pod.metadata.name ?? "", {
          namespace: pod.metadata.namespace,
          signal,
        }),
      );
      await Promise.all(gone);
      for (const pod of victims) this.#tell(set, "SuccessfulDelete", "Deleted", pod);
      await caches.pods.seenDeleted(victims);
    }
    if (Math.abs(missing) > batch) this.queue.add(objectKey(set));
  }

  #tell(set: ReplicaSet, reason: string, done: string, pod: Pod): void {
    const about = { ...set, apiVersion: apiVersionOf(resources.replicaSets), kind: "ReplicaSet" };
    const message = `${done} pod: ${pod.metadata.name}`;
    this.#events.record(about, { type: "Normal", reason, message });
  }

  async #writeStatus(set: ReplicaSet, active: readonly Pod[]): Promise<void> {
    const ready = active.filter(isReady);
    const waits = ready.map((pod) => msUntilAvailable(pod, set.spec.minReadySeconds ?? 0));
    const longest = Math.max(0, ...waits);
    if (longest > 0) this.queue.addAfter(objectKey(set), longest);
    const status = {
      observedGeneration: set.metadata.generation ?? 0,
      replicas: active.length,
      fullyLabeledReplicas: active.length,
      readyReplicas: ready.length,
      availableReplicas: waits.filter((ms) => ms <= 0).length,
    };
    await writeStatus(this.context, this.context.caches.replicaSets, { object: set, status });
  }
}

/** Until a ready pod has been ready for long enough; times of conditions are whole seconds. */
export function msUntilAvailable(pod: Pod, minReadySeconds: number): number {
  if (minReadySeconds === 0) return 0;
  const since = Date.parse(conditionOf(pod, "Ready")?.lastTransitionTime ?? "") || 0;
  return since + minReadySeconds * 1000 - Date.now();
}

/** A pod as a template wants it, owned by what carries the template. */
export function podFrom(
  template: PodTemplateSpec,
  of: {
    readonly owner: KubeObject;
    readonly kind: "ReplicaSet" | "DaemonSet" | "StatefulSet";
  },
): Pod {
  const { owner, kind } = of;
  return {
    metadata: {
      generateName: `${owner.metadata.name}-`,
      ...(owner.metadata.namespace ? { namespace: owner.metadata.namespace } : {}),
      ...(template.metadata?.labels ? { labels: template.metadata.labels } : {}),
      ...(template.metadata?.annotations ? { annotations: template.metadata.annotations } : {}),
      ownerReferences: [controllerReference(owner, apiVersionOf(resources.replicaSets), kind)],
    },
    spec: template.spec,
  };
}

/** Which pod goes first: unbound before bound, waiting before running, not ready before ready, then the youngest. */
function byDispensability(a: Pod, b: Pod): number {
  const rank = (pod: Pod) =>
    (pod.spec.nodeName ? 4 : 0) +
    (pod.status?.phase === "Running" ? 2 : 0) +
    (isReady(pod) ? 1 : 0);
  const difference = rank(a) - rank(b);
  if (difference !== 0) return difference;
  return (b.metadata.creationTimestamp ?? "").localeCompare(a.metadata.creationTimestamp ?? "");
}
