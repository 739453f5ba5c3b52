// Deployment: one ReplicaSet per state of the template; rollouts move pods from the old ones to the newest.
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import {
  apiVersionOf,
  objectKey,
  resources,
  type Deployment,
  type KubeObject,
  type PodTemplateSpec,
  type ReplicaSet,
  type Resource,
} from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { deploymentStatus, msUntilLate } from "./deployment-status.ts";
import { EventRecorder } from "./events.ts";
import { isNamespaceGone } from "./failures.ts";
import {
  controllerReference,
  isTerminating,
  keyOfController,
  same,
  withoutEmpty,
} from "./objects.ts";
import { annotationsOf, currentRevision, revisionAnnotation, revisionOf } from "./revisions.ts";
import { nextSizes } from "./rollout.ts";
import { writeStatus } from "./status.ts";

const hashLabel = "pod-template-hash";
/** Of a timer. */
const longestLookMs = 3_600_000;

export class DeploymentController extends Controller {
  readonly #events: EventRecorder;
  /** Keys with a timer: one is enough, since whatever comes in between asks for the next. */
  readonly #looking = new Set<string>();

  constructor(context: Context) {
    super(context, { name: "deployment" });
    this.#events = new EventRecorder("deployment-controller", context);
  }

  protected watch(): void {
    const { deployments, replicaSets } = this.context.caches;
    deployments.table.subscribe(({ row }) => this.queue.add(objectKey(row)), { replay: true });
    replicaSets.table.subscribe(({ row }) => {
      const owner = keyOfController(row, "Deployment");
      if (owner !== undefined) this.queue.add(owner);
    });
  }

  protected async reconcile(key: string): Promise<void> {
    const deployment = this.context.caches.deployments.get(key);
    if (!deployment?.metadata.uid || isTerminating(deployment)) return;
    const sets = this.#setsOf(deployment);
    const known = sets.find((set) => sameTemplate(set.spec.template, deployment.spec.template));
    const current = await this.#currentSet(deployment, known, sets);
    if (!current) return;
    const old = sets.filter((set) => set.metadata.uid !== current.metadata.uid);
    for (const [set, size] of nextSizes(deployment, current, old))
      await this.#resize(deployment, set, size);
    await this.#forgetHistory(deployment, old);
    const fresh = this.#setsOf(deployment);
    const newest = fresh.find((set) => set.metadata.uid === current.metadata.uid) ?? current;
    const status = deploymentStatus(deployment, {
      current: newest,
      sets: fresh,
      created: known === undefined,
      nowMs: Date.now(),
    });
    const { deployments } = this.context.caches;
    await writeStatus(this.context, deployments, { object: deployment, status });
    const lateInMs = msUntilLate(deployments.get(key) ?? deployment, Date.now());
    if (lateInMs !== undefined && lateInMs > 0) this.#lookAgain(key, lateInMs + 1000);
  }

  #lookAgain(key: string, delayMs: number): void {
    if (this.#looking.has(key)) return;
    this.#looking.add(key);
    this.queue.addAfter(key, Math.min(delayMs, longestLookMs));
    void sleep(Math.min(delayMs, longestLookMs), undefined, { ref: false }).then(() =>
      this.#looking.delete(key),
    );
  }

  /** The deployment's sets, oldest revision first. */
  #setsOf(deployment: Deployment): ReplicaSet[] {
    return this.context.caches.replicaSets
      .ownedBy(deployment.metadata.uid ?? "")
      .filter((set) => !isTerminating(set))
      .sort((a, b) => revisionOf(a) - revisionOf(b));
  }

  /** The set of the template as it is, made where there is none, with the annotations of the newest revision. */
  async #currentSet(
    deployment: Deployment,
    known: ReplicaSet | undefined,
    sets: readonly ReplicaSet[],
  ): Promise<ReplicaSet | undefined> {
    const revision = currentRevision(
      known,
      sets.filter((set) => set !== known),
    );
    const annotations = annotationsOf(deployment, known, revision);
    const current = known
      ? await this.#annotate(resources.replicaSets, known, annotations)
      : await this.#createSet(deployment, annotations);
    if (current)
      await this.#annotate(resources.deployments, deployment, {
        ...deployment.metadata.annotations,
        [revisionAnnotation]: String(revision),
      });
    return current;
  }

  async #annotate<T extends KubeObject>(
    resource: Resource<T>,
    object: T,
    annotations: Readonly<Record<string, string>>,
  ): Promise<T> {
    if (same(annotations, object.metadata.annotations ?? {})) return object;
    const { client, signal } = this.context;
    const { name = "", namespace } = object.metadata;
    const patch = { metadata: { annotations } };
    return client.patch(resource, name, { namespace, type: "merge", patch, signal });
  }

  async #createSet(
    deployment: Deployment,
    annotations: Readonly<Record<string, string>>,
  ): Promise<ReplicaSet | undefined> {
    const { client, caches, signal } = this.context;
    try {
      const set = setFor(deployment, annotations);
      const created = await client.create(resources.replicaSets, set, { signal });
      await caches.replicaSets.seen([created]);
      return created;
    } catch (error) {
      if (isNamespaceGone(error)) return undefined;
      throw error;
    }
  }

  async #resize(deployment: Deployment, set: ReplicaSet, size: number): Promise<void> {
    const before = set.spec.replicas ?? 1;
    if (before === size) return;
    const { client, caches, signal } = this.context;
    const name = set.metadata.name ?? "";
    const written = await client.patch(resources.replicaSets, name, {
      namespace: set.metadata.namespace,
      type: "merge",
      patch: { spec: { replicas: size } },
      signal,
    });
    await caches.replicaSets.seen([written]);
    const way = size > before ? "up" : "down";
    this.#events.record(
      { ...deployment, apiVersion: apiVersionOf(resources.deployments), kind: "Deployment" },
      {
        type: "Normal",
        reason: "ScalingReplicaSet",
        message: `Scaled ${way} replica set ${name} to ${size} from ${before}`,
      },
    );
  }

  /** Empty sets beyond the history that rollbacks may want. */
  async #forgetHistory(deployment: Deployment, old: readonly ReplicaSet[]): Promise<void> {
    const empty = old.filter((set) => set.spec.replicas === 0 && (set.status?.replicas ?? 0) === 0);
    const excess = empty.slice(
      0,
      Math.max(0, empty.length - (deployment.spec.revisionHistoryLimit ?? 10)),
    );
    const { client, signal } = this.context;
    for (const set of excess) {
      await client.delete(resources.replicaSets, set.metadata.name ?? "", {
        namespace: set.metadata.namespace,
        signal,
      });
    }
  }
}

/**
 * Equal but for the label that tells the sets apart, and for what says nothing: Go clients that send a template back, as
 * `kubectl rollout undo` does, put null and {} where there was nothing.
 */
export function sameTemplate(left: PodTemplateSpec, right: PodTemplateSpec): boolean {
  const plain = (template: PodTemplateSpec) => ({
    ...template,
    metadata: {
      ...template.metadata,
      labels: { ...template.metadata?.labels, [hashLabel]: undefined },
    },
  });
  return same(withoutEmpty(plain(left)), withoutEmpty(plain(right)));
}

function setFor(deployment: Deployment, annotations: Readonly<Record<string, string>>): ReplicaSet {
  const { template, selector } = deployment.spec;
  const hash = templateHash(template);
  const labels = { ...template.metadata?.labels, [hashLabel]: hash };
  return {
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      ...(deployment.metadata.namespace ? { namespace: deployment.metadata.namespace } : {}),
      labels,
      annotations,
      ownerReferences: [
        controllerReference(deployment, apiVersionOf(resources.deployments), "Deployment"),
      ],
    },
    spec: {
      replicas: 0,
      ...(deployment.spec.minReadySeconds
        ? { minReadySeconds: deployment.spec.minReadySeconds }
        : {}),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [hashLabel]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/** Ten characters that cannot spell words. */
export function templateHash(template: PodTemplateSpec): string {
  const alphabet = "bcdfghjklmnpqrstvwxz2456789";
  const digest = createHash("sha256").update(JSON.stringify(template)).digest();
  return [...digest.subarray(0, 10)].map((byte) => alphabet[byte % alphabet.length]).join("");
}
