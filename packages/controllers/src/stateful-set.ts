// StatefulSet: pods with names that stay, one after the other: each waits until those before it are available, and goes
// only after those behind it. Without volume claims: nobody here makes volumes.
import {
  apiVersionOf,
  objectKey,
  resources,
  type ControllerRevision,
  type Pod,
  type StatefulSet,
} from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { EventRecorder } from "./events.ts";
import { ignoreNotFound, isNamespaceGone } from "./failures.ts";
import { isReady, isTerminating, keyOfController } from "./objects.ts";
import { msUntilAvailable, podFrom } from "./replica-set.ts";
import { planFor, type StatefulPlan } from "./stateful-plan.ts";
import { writeStatus } from "./status.ts";
import { hashLabel, TemplateHistory, templateOf } from "./template-history.ts";

export class StatefulSetController extends Controller {
  readonly #events: EventRecorder;
  readonly #history: TemplateHistory;

  constructor(context: Context) {
    super(context, { name: "statefulset" });
    this.#events = new EventRecorder("statefulset-controller", context);
    this.#history = new TemplateHistory(context, "StatefulSet");
  }

  protected watch(): void {
    const { statefulSets, pods } = this.context.caches;
    statefulSets.table.subscribe(({ row }) => this.queue.add(objectKey(row)), { replay: true });
    pods.table.subscribe(({ row }) => {
      const owner = keyOfController(row, "StatefulSet");
      if (owner !== undefined) this.queue.add(owner);
    });
  }

  protected async reconcile(key: string): Promise<void> {
    const set = this.context.caches.statefulSets.get(key);
    if (!set?.metadata.uid || isTerminating(set)) return;
    if ((set.spec.volumeClaimTemplates ?? []).length > 0) {
      const message = "volumeClaimTemplates: this cluster has no persistent volumes";
      return this.#tell(set, { type: "Warning", reason: "FailedCreate", message });
    }
    try {
      await this.#follow(set);
    } catch (error) {
      if (!isNamespaceGone(error)) throw error;
    }
  }

  async #follow(set: StatefulSet): Promise<void> {
    const update = await this.#history.current(set);
    const current = this.#currentOf(set, update);
    const plan = planFor(set, this.#podsOf(set), update.metadata.name ?? "");
    await this.#carryOut(set, plan, { current, update });
    const done = await this.#writeStatus(set, { current, update });
    const used = this.#podsOf(set).map((pod) => pod.metadata.labels?.[hashLabel]);
    await this.#history.forget(
      set,
      new Set([update.metadata.name, ...(done ? [] : [current.metadata.name]), ...used]),
    );
  }

  /** The revision that pods have which the update has not come to. */
  #currentOf(set: StatefulSet, update: ControllerRevision): ControllerRevision {
    const name = set.status?.currentRevision;
    return this.#history.of(set).find(({ metadata }) => metadata.name === name) ?? update;
  }

  #podsOf(set: StatefulSet): Pod[] {
    return this.context.caches.pods.ownedBy(set.metadata.uid ?? "");
  }

  async #carryOut(
    set: StatefulSet,
    plan: StatefulPlan,
    revisions: { readonly current: ControllerRevision; readonly update: ControllerRevision },
  ): Promise<void> {
    const { client, caches, signal } = this.context;
    await Promise.all(
      plan.remove.map((pod) =>
        ignoreNotFound(
          client.delete(resources.pods, pod.metadata.name ?? "", {
            namespace: pod.metadata.namespace,
            ...(pod.metadata.uid ? { preconditions: { uid: pod.metadata.uid } } : {}),
            signal,
          }),
        ),
      ),
    );
    for (const pod of plan.remove) this.#tellPod(set, "SuccessfulDelete", "delete", pod);
    await caches.pods.seenDeleted(plan.remove);
    for (const { ordinal, isUpdated } of plan.create) {
      const pod = podFor(set, ordinal, isUpdated ? revisions.update : revisions.current);
      await caches.pods.seen([await client.create(resources.pods, pod, { signal })]);
      this.#tellPod(set, "SuccessfulCreate", "create", pod);
    }
    if (plan.againInMs > 0) this.queue.addAfter(objectKey(set), plan.againInMs);
  }

  /** @returns whether all pods are of the newest revision */
  async #writeStatus(
    set: StatefulSet,
    {
      current,
      update,
    }: { readonly current: ControllerRevision; readonly update: ControllerRevision },
  ): Promise<boolean> {
    const { caches } = this.context;
    const pods = this.#podsOf(set);
    const there = pods.filter((pod) => !isTerminating(pod));
    const of = ({ metadata }: ControllerRevision) =>
      there.filter((pod) => pod.metadata.labels?.[hashLabel] === metadata.name).length;
    const ready = there.filter(isReady);
    const { replicas = 1, minReadySeconds = 0 } = set.spec;
    const done = of(update) === replicas && ready.length === replicas && pods.length === replicas;
    const status = {
      observedGeneration: set.metadata.generation ?? 0,
      replicas: pods.length,
      readyReplicas: ready.length,
      availableReplicas: ready.filter((pod) => msUntilAvailable(pod, minReadySeconds) <= 0).length,
      currentReplicas: of(done ? update : current),
      updatedReplicas: of(update),
      currentRevision: (done ? update : current).metadata.name ?? "",
      updateRevision: update.metadata.name ?? "",
      collisionCount: 0,
    };
    await writeStatus(this.context, caches.statefulSets, { object: set, status });
    return done;
  }

  #tellPod(set: StatefulSet, reason: string, verb: string, { metadata }: Pod): void {
    const message = `${verb} Pod ${metadata.name} in StatefulSet ${set.metadata.name} successful`;
    this.#tell(set, { type: "Normal", reason, message });
  }

  #tell(set: StatefulSet, facts: Parameters<EventRecorder["record"]>[1]): void {
    const apiVersion = apiVersionOf(resources.statefulSets);
    this.#events.record({ ...set, apiVersion, kind: "StatefulSet" }, facts);
  }
}

/** The pod of one ordinal, with the name and the place in DNS that are its own. */
function podFor(set: StatefulSet, ordinal: number, revision: ControllerRevision): Pod {
  const name = `${set.metadata.name}-${ordinal}`;
  const { metadata, spec } = podFrom(templateOf(revision), { owner: set, kind: "StatefulSet" });
  const { generateName: _, ...rest } = metadata;
  return {
    metadata: {
      ...rest,
      name,
      labels: {
        ...metadata.labels,
        [hashLabel]: revision.metadata.name ?? "",
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": String(ordinal),
      },
    },
    spec: {
      ...spec,
      hostname: name,
      ...(set.spec.serviceName ? { subdomain: set.spec.serviceName } : {}),
    },
  };
}
