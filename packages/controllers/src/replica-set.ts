// ReplicaSet: as many active pods as `spec.replicas` says, made from the template.
import {
  apiVersionOf,
  KubeError,
  objectKey,
  resources,
  type Pod,
  type PodTemplateSpec,
  type ReplicaSet,
} from "@tsilium/kube";
import { queueOf, type Context, type Controller } from "./context.ts";
import { controllerReference, isActive, isReady, same } from "./objects.ts";
import type { WorkQueue } from "./work-queue.ts";

/** Pods made or deleted at once for one set. */
const batch = 50;

export class ReplicaSetController implements Controller {
  readonly name = "replicaset";
  readonly #context: Context;
  readonly #queue: WorkQueue;

  constructor(context: Context) {
    this.#context = context;
    this.#queue = queueOf(context, this.name, { reconcile: (key) => this.#reconcile(key) });
  }

  start(): void {
    const { replicaSets, pods } = this.#context.caches;
    replicaSets.table.subscribe(({ row }) => this.#queue.add(objectKey(row)), { replay: true });
    pods.table.subscribe(({ row }) => {
      const owner = row.metadata.ownerReferences?.find((reference) => reference.controller);
      if (owner?.kind === "ReplicaSet") this.#queue.add(`${row.metadata.namespace}/${owner.name}`);
    });
    this.#queue.start();
  }

  async stop(): Promise<void> {
    await this.#queue.stop();
  }

  async #reconcile(key: string): Promise<void> {
    const { caches } = this.#context;
    const set = caches.replicaSets.get(key);
    if (!set?.metadata.uid) return;
    const active = caches.pods.ownedBy(set.metadata.uid).filter(isActive);
    if (set.metadata.deletionTimestamp === undefined) await this.#scale(set, active);
    await this.#writeStatus(set, caches.pods.ownedBy(set.metadata.uid).filter(isActive));
  }

  async #scale(set: ReplicaSet, active: readonly Pod[]): Promise<void> {
    const { client, caches, signal } = this.#context;
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
      await caches.pods.seenDeleted(victims);
    }
    if (Math.abs(missing) > batch) this.#queue.add(objectKey(set));
  }

  async #writeStatus(set: ReplicaSet, active: readonly Pod[]): Promise<void> {
    const ready = active.filter(isReady).length;
    const status = {
      observedGeneration: set.metadata.generation ?? 0,
      replicas: active.length,
      fullyLabeledReplicas: active.length,
      readyReplicas: ready,
      availableReplicas: ready,
    };
    if (same(status, set.status)) return;
    const { client, caches, signal } = this.#context;
    try {
      const written = await client.updateStatus(
        resources.replicaSets,
        { ...set, status },
        { signal },
      );
      await caches.replicaSets.seen([written]);
    } catch (error) {
      // Somebody else wrote: the watch will bring it, and us back here.
      if (!KubeError.isConflict(error) && !KubeError.isNotFound(error)) throw error;
    }
  }
}

/** A pod as a template wants it, owned by what carries the template. */
export function podFrom(
  template: PodTemplateSpec,
  of: { readonly owner: ReplicaSet; readonly kind: "ReplicaSet" | "DaemonSet" },
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

/** Nothing can be created in a namespace that ends, and nothing need be. */
export function isNamespaceGone(error: unknown): boolean {
  if (!(error instanceof KubeError)) return false;
  return (
    error.status === 404 ||
    (error.details?.causes ?? []).some((cause) => cause.reason === "NamespaceTerminating")
  );
}

/** Which pod goes first: unbound before bound, waiting before running, not ready before ready, then the youngest. */
export function byDispensability(a: Pod, b: Pod): number {
  const rank = (pod: Pod) =>
    (pod.spec.nodeName ? 4 : 0) +
    (pod.status?.phase === "Running" ? 2 : 0) +
    (isReady(pod) ? 1 : 0);
  const difference = rank(a) - rank(b);
  if (difference !== 0) return difference;
  return (b.metadata.creationTimestamp ?? "").localeCompare(a.metadata.creationTimestamp ?? "");
}
