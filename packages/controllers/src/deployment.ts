// Deployment: one ReplicaSet per state of the template; rollouts move pods from the old ones to the newest.
import { createHash } from "node:crypto";
import {
  apiVersionOf,
  objectKey,
  resources,
  type Deployment,
  type PodTemplateSpec,
  type ReplicaSet,
} from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { isNamespaceGone } from "./failures.ts";
import {
  controllerReference,
  isTerminating,
  keyOfController,
  same,
  withCondition,
} from "./objects.ts";
import { nextSizes } from "./rollout.ts";
import { writeStatus } from "./status.ts";

const hashLabel = "pod-template-hash";
const revisionAnnotation = "deployment.kubernetes.io/revision";

export class DeploymentController extends Controller {
  constructor(context: Context) {
    super(context, { name: "deployment" });
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
    let current = sets.find((set) => sameTemplate(set.spec.template, deployment.spec.template));
    if (!current) {
      current = await this.#createSet(deployment, sets);
      if (!current) return;
    }
    const old = sets.filter((set) => set !== current);
    for (const [set, size] of nextSizes(deployment, current, old)) await this.#resize(set, size);
    await this.#forgetHistory(deployment, old);
    const fresh = this.#setsOf(deployment);
    const newest = fresh.find((set) => set.metadata.uid === current.metadata.uid) ?? current;
    const status = statusOf(deployment, newest, fresh);
    await writeStatus(this.context, this.context.caches.deployments, {
      object: deployment,
      status,
    });
  }

  /** The deployment's sets, oldest revision first. */
  #setsOf(deployment: Deployment): ReplicaSet[] {
    return this.context.caches.replicaSets
      .ownedBy(deployment.metadata.uid ?? "")
      .filter((set) => !isTerminating(set))
      .sort((a, b) => revisionOf(a) - revisionOf(b));
  }

  async #createSet(
    deployment: Deployment,
    others: readonly ReplicaSet[],
  ): Promise<ReplicaSet | undefined> {
    const { client, caches, signal } = this.context;
    const set = setFor(deployment, Math.max(0, ...others.map(revisionOf)) + 1);
    try {
      const created = await client.create(resources.replicaSets, set, { signal });
      await caches.replicaSets.seen([created]);
      return created;
    } catch (error) {
      if (isNamespaceGone(error)) return undefined;
      throw error;
    }
  }

  async #resize(set: ReplicaSet, size: number): Promise<void> {
    if ((set.spec.replicas ?? 1) === size) return;
    const { client, caches, signal } = this.context;
    const written = await client.patch(resources.replicaSets, set.metadata.name ?? "", {
      namespace: set.metadata.namespace,
      type: "merge",
      patch: { spec: { replicas: size } },
      signal,
    });
    await caches.replicaSets.seen([written]);
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

function revisionOf(set: ReplicaSet): number {
  return Number(set.metadata.annotations?.[revisionAnnotation] ?? 0);
}

/** Equal but for the label that tells the sets apart. */
function sameTemplate(left: PodTemplateSpec, right: PodTemplateSpec): boolean {
  const plain = (template: PodTemplateSpec) => ({
    ...template,
    metadata: {
      ...template.metadata,
      labels: { ...template.metadata?.labels, [hashLabel]: undefined },
    },
  });
  return same(plain(left), plain(right));
}

function setFor(deployment: Deployment, revision: number): ReplicaSet {
  const { template, selector } = deployment.spec;
  const hash = templateHash(template);
  const labels = { ...template.metadata?.labels, [hashLabel]: hash };
  return {
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      ...(deployment.metadata.namespace ? { namespace: deployment.metadata.namespace } : {}),
      labels,
      annotations: { [revisionAnnotation]: String(revision) },
      ownerReferences: [
        controllerReference(deployment, apiVersionOf(resources.deployments), "Deployment"),
      ],
    },
    spec: {
      replicas: 0,
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

function statusOf(
  deployment: Deployment,
  current: ReplicaSet,
  sets: readonly ReplicaSet[],
): NonNullable<Deployment["status"]> {
  const total = (read: (set: ReplicaSet) => number | undefined) =>
    sets.reduce((sum, set) => sum + (read(set) ?? 0), 0);
  const replicas = deployment.spec.replicas ?? 1;
  const available = total((set) => set.status?.availableReplicas);
  const updated = current.status?.replicas ?? 0;
  const complete =
    updated === replicas &&
    available >= replicas &&
    total((set) => set.status?.replicas) === replicas;
  const conditions = withCondition(
    withCondition(deployment.status?.conditions, {
      type: "Available",
      status: available >= replicas ? "True" : "False",
      reason: available >= replicas ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
      message:
        available >= replicas
          ? "Deployment has minimum availability."
          : "Deployment does not have minimum availability.",
    }),
    {
      type: "Progressing",
      status: "True",
      reason: complete ? "NewReplicaSetAvailable" : "ReplicaSetUpdated",
      message: complete
        ? `ReplicaSet "${current.metadata.name}" has successfully progressed.`
        : `ReplicaSet "${current.metadata.name}" is progressing.`,
    },
  );
  return {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: total((set) => set.status?.replicas),
    updatedReplicas: updated,
    readyReplicas: total((set) => set.status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, replicas - available),
    conditions,
  };
}
