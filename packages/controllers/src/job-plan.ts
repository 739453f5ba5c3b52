// What a Job needs next: its status, pods to make and pods to end. Pure.
import type { Condition, Job, Pod } from "@tsilium/kube";
import { type JobCount, formatIndexes, indexOf, totalOf } from "./job-count.ts";
import { isActive, isReady, isTerminating, timestamp } from "./objects.ts";

export type JobStatus = NonNullable<Job["status"]>;

export type JobPlan = {
  readonly status: JobStatus;
  /** One for each pod to make: its index, or undefined where they are all alike. */
  readonly create: readonly (number | undefined)[];
  readonly remove: readonly Pod[];
  /** The condition that ends the job, when it ends with this plan. */
  readonly ends: Condition | undefined;
};

/** The condition of a job that has come to its end. */
export function endOf(job: Job): Condition | undefined {
  return job.status?.conditions?.find(
    ({ type, status }) => (type === "Complete" || type === "Failed") && status === "True",
  );
}

export function planFor(
  job: Job,
  pods: readonly Pod[],
  { count, nowMs }: { readonly count: JobCount; readonly nowMs: number },
): JobPlan {
  const active = pods.filter(isActive);
  const { succeeded, failed } = totalOf(count, job);
  const { suspend = false, parallelism = 1, completions } = job.spec;
  const over = endOf(job);
  const ends = over ? undefined : verdict(job, { active, succeeded, failed, nowMs });
  const wanted =
    over || ends || suspend
      ? 0
      : completions === undefined
        ? succeeded > 0
          ? active.length
          : parallelism
        : Math.min(parallelism, Math.max(0, completions - succeeded));
  const remove = surplus(job, active, { wanted, count });
  const missing = wanted - (active.length - remove.length);
  const indexes = freeIndexes(job, active, count);
  const create = Array.from({ length: Math.max(0, missing) }, (_, at) => indexes[at]).filter(
    (index) => job.spec.completionMode !== "Indexed" || index !== undefined,
  );
  return { status: statusOf(job, pods, { count, ends, remove, nowMs }), create, remove, ends };
}

type Facts = {
  readonly active: readonly Pod[];
  readonly succeeded: number;
  readonly failed: number;
  readonly nowMs: number;
};

function verdict(job: Job, facts: Facts): Condition | undefined {
  const { active, succeeded, failed, nowMs } = facts;
  const { backoffLimit = 6, activeDeadlineSeconds, completions, suspend } = job.spec;
  const condition = (type: string, reason?: string, message?: string): Condition => ({
    type,
    status: "True",
    ...(reason ? { reason } : {}),
    ...(message ? { message } : {}),
    lastProbeTime: timestamp(nowMs),
    lastTransitionTime: timestamp(nowMs),
  });
  const again = job.spec.template.spec.restartPolicy === "OnFailure" ? restartsOf(active) : 0;
  if (failed > backoffLimit || again > backoffLimit || (again > 0 && again >= backoffLimit))
    return condition(
      "Failed",
      "BackoffLimitExceeded",
      "Job has reached the specified backoff limit",
    );
  if (activeDeadlineSeconds !== undefined && !suspend) {
    const started = Date.parse(job.status?.startTime ?? "") || nowMs;
    if (nowMs >= started + activeDeadlineSeconds * 1000)
      return condition(
        "Failed",
        "DeadlineExceeded",
        "Job was active longer than specified deadline",
      );
  }
  const complete =
    completions === undefined ? succeeded > 0 && active.length === 0 : succeeded >= completions;
  return complete ? condition("Complete") : undefined;
}

function restartsOf(pods: readonly Pod[]): number {
  return pods
    .flatMap((pod) => [
      ...(pod.status?.initContainerStatuses ?? []),
      ...(pod.status?.containerStatuses ?? []),
    ])
    .reduce((sum, { restartCount }) => sum + restartCount, 0);
}

/** Too many, or for an index that another pod has or that is done. Those that are least far go first. */
function surplus(
  job: Job,
  active: readonly Pod[],
  { wanted, count }: { readonly wanted: number; readonly count: JobCount },
): Pod[] {
  const taken = new Set(count.completed);
  const kept: Pod[] = [];
  const removed: Pod[] = [];
  const byWorth = active.toSorted((a, b) => worth(b) - worth(a));
  for (const pod of byWorth) {
    const index = indexOf(pod);
    const isDouble =
      job.spec.completionMode === "Indexed" && (index === undefined || taken.has(index));
    if (isDouble || kept.length >= wanted) removed.push(pod);
    else {
      kept.push(pod);
      if (index !== undefined) taken.add(index);
    }
  }
  return removed;
}

function worth(pod: Pod): number {
  return (
    (isReady(pod) ? 4 : 0) + (pod.status?.phase === "Running" ? 2 : 0) + (pod.spec.nodeName ? 1 : 0)
  );
}

function freeIndexes(job: Job, active: readonly Pod[], count: JobCount): number[] {
  const { completionMode, completions = 0 } = job.spec;
  if (completionMode !== "Indexed") return [];
  const taken = new Set([...count.completed, ...active.map(indexOf)]);
  return Array.from({ length: completions }, (_, index) => index).filter(
    (index) => !taken.has(index),
  );
}

function statusOf(
  job: Job,
  pods: readonly Pod[],
  facts: {
    readonly count: JobCount;
    readonly ends: Condition | undefined;
    readonly remove: readonly Pod[];
    readonly nowMs: number;
  },
): JobStatus {
  const { count, ends, remove, nowMs } = facts;
  const { suspend = false, completionMode } = job.spec;
  const { startTime, completionTime, conditions = [] } = job.status ?? {};
  const active = pods.filter((pod) => isActive(pod) && !remove.includes(pod));
  const time = timestamp(nowMs);
  const started = startTime ?? time;
  const { succeeded, failed } = count.uncounted;
  const withSuspension = suspensionOf(conditions, { suspend, time });
  const isIndexed = completionMode === "Indexed";
  return {
    ...(active.length > 0 ? { active: active.length } : {}),
    ready: active.filter(isReady).length,
    terminating: pods.filter((pod) => isTerminating(pod)).length + remove.length,
    ...(count.succeeded > 0 || isIndexed
      ? { succeeded: isIndexed ? count.completed.size : count.succeeded }
      : {}),
    ...(count.failed > 0 ? { failed: count.failed } : {}),
    ...(isIndexed ? { completedIndexes: formatIndexes(count.completed) } : {}),
    uncountedTerminatedPods: {
      ...(succeeded.length > 0 ? { succeeded } : {}),
      ...(failed.length > 0 ? { failed } : {}),
    },
    // One that is suspended has not begun.
    ...(suspend && !ends ? {} : { startTime: started }),
    ...(ends?.type === "Complete"
      ? { completionTime: time }
      : completionTime
        ? { completionTime }
        : {}),
    ...(withSuspension.length > 0 || ends
      ? { conditions: [...withSuspension, ...(ends ? [ends] : [])] }
      : {}),
  };
}

function suspensionOf(
  conditions: readonly Condition[],
  { suspend, time }: { readonly suspend: boolean; readonly time: string },
): readonly Condition[] {
  const old = conditions.find(({ type }) => type === "Suspended");
  const status = suspend ? "True" : "False";
  if (old ? old.status === status : !suspend) return conditions;
  const others = conditions.filter((condition) => condition !== old);
  const [reason, message] = suspend
    ? ["JobSuspended", "Job suspended"]
    : ["JobResumed", "Job resumed"];
  const times = { lastProbeTime: time, lastTransitionTime: time };
  return [...others, { type: "Suspended", status, reason, message, ...times }];
}
