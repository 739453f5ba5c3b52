// Job: pods until enough of them have succeeded, or too many have failed.
import { apiVersionOf, type Job, objectKey, type Pod, resources } from "@tsilium/kube";
import type { Context } from "./context.ts";
import { Controller } from "./controller.ts";
import { EventRecorder } from "./events.ts";
import { ignoreNotFound, isNamespaceGone } from "./failures.ts";
import { countPods, indexAnnotation, isTracked, totalOf, trackingFinalizer } from "./job-count.ts";
import { endOf, type JobPlan, planFor } from "./job-plan.ts";
import { controllerOf, controllerReference, isTerminating, keyOfController } from "./objects.ts";
import { writeStatus } from "./status.ts";

/** Pods made at once for one job. */
const batch = 50;
/** Kubernetes waits 10 s after the first failure, doubled up to 10 min; a lab's users wait for the outcome. */
const firstDelayMs = 1000;
const longestDelayMs = 60_000;
/** Of a timer. */
const longestLookMs = 3_600_000;

export class JobController extends Controller {
  readonly #events: EventRecorder;
  /** By key: when a job that has just had a failure may have its next pod, and the failures by then. */
  readonly #retry = new Map<string, { readonly failed: number; readonly atMs: number }>();

  constructor(context: Context) {
    super(context, { name: "job" });
    this.#events = new EventRecorder("job-controller", context);
  }

  protected watch(): void {
    const { jobs, pods } = this.context.caches;
    jobs.table.subscribe(({ row }) => this.queue.add(objectKey(row)), { replay: true });
    pods.table.subscribe(
      ({ row }) => {
        const owner = keyOfController(row, "Job");
        if (owner !== undefined) this.queue.add(owner);
      },
      { replay: true },
    );
  }

  protected async reconcile(key: string): Promise<void> {
    const { jobs, pods } = this.context.caches;
    const job = jobs.get(key);
    if (!job?.metadata.uid || isTerminating(job)) return this.#releaseOrphans(key);
    if (await this.#expire(key, job)) return;
    const owned = pods.ownedBy(job.metadata.uid);
    const count = countPods(job, owned);
    const plan = planFor(job, owned, { count, nowMs: Date.now() });
    await this.#remove(job, plan.remove);
    const waitMs = endOf(job) || plan.ends ? 0 : this.#waitMs(key, totalOf(count, job).failed);
    const created = waitMs > 0 ? [] : await this.#create(job, plan.create.slice(0, batch));
    const active = (plan.status.active ?? 0) + created.length;
    await writeStatus(this.context, jobs, {
      object: job,
      status: { ...plan.status, ...(active > 0 ? { active } : {}) },
    });
    await this.#releaseCounted(key, owned);
    this.#tellEnd(job, plan);
    this.#lookAgain(key, job, { waitMs, more: plan.create.length > batch });
  }

  /** How long until a job with this many failures may have another pod. */
  #waitMs(key: string, failed: number): number {
    const known = this.#retry.get(key);
    if (failed === 0) this.#retry.delete(key);
    else if (known?.failed !== failed) {
      const delayMs = Math.min(firstDelayMs * 2 ** (failed - 1), longestDelayMs);
      this.#retry.set(key, { failed, atMs: Date.now() + delayMs });
    }
    return Math.max(0, (this.#retry.get(key)?.atMs ?? 0) - Date.now());
  }

  async #create(job: Job, indexes: readonly (number | undefined)[]): Promise<Pod[]> {
    const { client, caches, signal } = this.context;
    const results = await Promise.allSettled(
      indexes.map((index) => client.create(resources.pods, podOf(job, index), { signal })),
    );
    const created = results.flatMap((result) =>
      result.status === "fulfilled" ? [result.value] : [],
    );
    await caches.pods.seen(created);
    for (const pod of created)
      this.#tell(job, "Normal", ["SuccessfulCreate", `Created pod: ${pod.metadata.name}`]);
    const failed = results.find((result) => result.status === "rejected");
    if (failed && !isNamespaceGone(failed.reason)) throw failed.reason;
    return created;
  }

  async #remove(job: Job, pods: readonly Pod[]): Promise<void> {
    const { client, caches, signal } = this.context;
    await Promise.all(
      pods.map(async ({ metadata: { name = "", namespace } }) => {
        await ignoreNotFound(client.delete(resources.pods, name, { namespace, signal }));
        this.#tell(job, "Normal", ["SuccessfulDelete", `Deleted pod: ${name}`]);
      }),
    );
    await caches.pods.seenDeleted(pods);
  }

  /** What the stored status lists may go: it will not be forgotten. */
  async #releaseCounted(key: string, pods: readonly Pod[]): Promise<void> {
    const job = this.context.caches.jobs.get(key);
    const { succeeded = [], failed = [] } = job?.status?.uncountedTerminatedPods ?? {};
    const listed = new Set([...succeeded, ...failed]);
    const isFree = (pod: Pod) =>
      listed.has(pod.metadata.uid ?? "") || (job?.spec.suspend === true && isTerminating(pod));
    await this.#release(pods.filter((pod) => isTracked(pod) && isFree(pod)));
  }

  /** Pods of a job that is gone or going have nobody to count them. */
  async #releaseOrphans(key: string): Promise<void> {
    const [namespace = "", name] = key.split("/");
    const { jobs, pods } = this.context.caches;
    const job = jobs.get(key);
    const isOrphan = (pod: Pod) => {
      const owner = controllerOf(pod);
      if (owner?.kind !== "Job" || owner.name !== name) return false;
      return owner.uid !== job?.metadata.uid || isTerminating(job);
    };
    await this.#release(
      pods.inNamespace(namespace).filter((pod) => isTracked(pod) && isOrphan(pod)),
    );
    if (!job) this.#retry.delete(key);
  }

  async #release(pods: readonly Pod[]): Promise<void> {
    const { client, signal } = this.context;
    await Promise.all(
      pods.map(({ metadata: { name = "", namespace, uid, finalizers = [] } }) =>
        ignoreNotFound(
          client.patch(resources.pods, name, {
            namespace,
            type: "merge",
            patch: {
              metadata: {
                uid,
                finalizers: finalizers.filter((finalizer) => finalizer !== trackingFinalizer),
              },
            },
            signal,
          }),
        ),
      ),
    );
  }

  /** Deletes a job whose time after its end is over. True when it is gone. */
  async #expire(key: string, job: Job): Promise<boolean> {
    const { ttlSecondsAfterFinished } = job.spec;
    const end = endOf(job);
    if (ttlSecondsAfterFinished === undefined || !end) return false;
    const leftMs =
      (Date.parse(end.lastTransitionTime ?? "") || 0) + ttlSecondsAfterFinished * 1000 - Date.now();
    if (leftMs > 0) {
      this.queue.addAfter(key, Math.min(leftMs, longestLookMs));
      return false;
    }
    const { client, signal } = this.context;
    const { name = "", namespace, uid } = job.metadata;
    const options = { namespace, propagationPolicy: "Background" as const, signal };
    const preconditions = uid === undefined ? {} : { preconditions: { uid } };
    await ignoreNotFound(client.delete(resources.jobs, name, { ...options, ...preconditions }));
    return true;
  }

  #lookAgain(
    key: string,
    job: Job,
    when: { readonly waitMs: number; readonly more: boolean },
  ): void {
    if (when.more) this.queue.add(key);
    if (when.waitMs > 0) this.queue.addAfter(key, when.waitMs);
    const { activeDeadlineSeconds } = job.spec;
    const started = Date.parse(job.status?.startTime ?? "");
    if (activeDeadlineSeconds === undefined || Number.isNaN(started) || endOf(job)) return;
    const leftMs = started + activeDeadlineSeconds * 1000 - Date.now();
    if (leftMs > 0) this.queue.addAfter(key, Math.min(leftMs + 10, longestLookMs));
  }

  #tellEnd(job: Job, { ends }: JobPlan): void {
    if (ends?.type === "Complete") this.#tell(job, "Normal", ["Completed", "Job completed"]);
    if (ends?.type === "Failed")
      this.#tell(job, "Warning", [ends.reason ?? "Failed", ends.message ?? ""]);
  }

  #tell(job: Job, type: "Normal" | "Warning", [reason, message]: readonly [string, string]): void {
    const about = { ...job, apiVersion: apiVersionOf(resources.jobs), kind: "Job" };
    this.#events.record(about, { type, reason, message });
  }
}

function podOf(job: Job, index: number | undefined): Pod {
  const { template } = job.spec;
  const { name, namespace } = job.metadata;
  const ofIndex: Record<string, string> =
    index === undefined ? {} : { [indexAnnotation]: String(index) };
  return {
    metadata: {
      generateName: index === undefined ? `${name}-` : `${name}-${index}-`,
      ...(namespace ? { namespace } : {}),
      labels: { ...template.metadata?.labels, ...ofIndex },
      annotations: { ...template.metadata?.annotations, ...ofIndex },
      finalizers: [trackingFinalizer],
      ownerReferences: [controllerReference(job, apiVersionOf(resources.jobs), "Job")],
    },
    spec: index === undefined ? template.spec : withIndex(template.spec, `${name}-${index}`),
  };
}

/** Containers of an Indexed job know their index, and peers know the pod by its host name. */
function withIndex(spec: Pod["spec"], hostname: string): Pod["spec"] {
  const variable = {
    name: "JOB_COMPLETION_INDEX",
    valueFrom: { fieldRef: { fieldPath: `metadata.annotations['${indexAnnotation}']` } },
  };
  return {
    ...spec,
    hostname,
    containers: spec.containers.map((container) => ({
      ...container,
      env: [...(container.env ?? []), variable],
    })),
  };
}
