// What a Job's pods come to: how many have succeeded and failed, each counted once, also over restarts of ours. Pure.
//
// A pod of a Job carries a finalizer until it is counted. One that has ended goes into `uncountedTerminatedPods` first, then
// loses the finalizer, and only then moves from that list into the counts: whatever is lost in between, no pod is counted
// twice and none is forgotten.
import type { Job, Pod } from "@tsilium/kube";
import { isTerminating } from "./objects.ts";

export const trackingFinalizer = "batch.kubernetes.io/job-tracking";
export const indexAnnotation = "batch.kubernetes.io/job-completion-index";

export type JobCount = {
  readonly succeeded: number;
  readonly failed: number;
  readonly uncounted: { readonly succeeded: readonly string[]; readonly failed: readonly string[] };
  /** Of an Indexed job: those that need not run any more. */
  readonly completed: ReadonlySet<number>;
};

/** Has it ended, as far as its Job is concerned? One that is told to end counts as failed, unless it has succeeded. */
export function hasFailed(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase === "Failed" || (isTerminating(pod) && phase !== "Succeeded");
}

export function isTracked(pod: Pod): boolean {
  return pod.metadata.finalizers?.includes(trackingFinalizer) ?? false;
}

export function countPods(job: Job, pods: readonly Pod[]): JobCount {
  const { succeeded = 0, failed = 0, uncountedTerminatedPods: listed = {} } = job.status ?? {};
  const tracked = new Set(pods.filter(isTracked).map((pod) => pod.metadata.uid ?? ""));
  const waiting = (list: readonly string[] = []) => list.filter((uid) => tracked.has(uid));
  const counted = (list: readonly string[] = []) => list.length - waiting(list).length;
  const known = new Set([...(listed.succeeded ?? []), ...(listed.failed ?? [])]);
  const fresh = (ended: (pod: Pod) => boolean) =>
    pods
      .filter((pod) => isTracked(pod) && !known.has(pod.metadata.uid ?? "") && ended(pod))
      .map((pod) => pod.metadata.uid ?? "");
  const isDone = (pod: Pod) => pod.status?.phase === "Succeeded";
  const completed = parseIndexes(job.status?.completedIndexes);
  for (const pod of pods) {
    const index = indexOf(pod);
    if (isDone(pod) && index !== undefined) completed.add(index);
  }
  // A suspended job's pods are ended by us: that is no failure of theirs.
  const freshFailed = job.spec.suspend ? [] : fresh(hasFailed);
  return {
    succeeded: succeeded + counted(listed.succeeded),
    failed: failed + counted(listed.failed),
    uncounted: {
      succeeded: [...waiting(listed.succeeded), ...fresh(isDone)],
      failed: [...waiting(listed.failed), ...freshFailed],
    },
    completed,
  };
}

export function totalOf(count: JobCount, job: Job): { succeeded: number; failed: number } {
  return {
    succeeded:
      job.spec.completionMode === "Indexed"
        ? count.completed.size
        : count.succeeded + count.uncounted.succeeded.length,
    failed: count.failed + count.uncounted.failed.length,
  };
}

export function indexOf(pod: Pod): number | undefined {
  const text = pod.metadata.annotations?.[indexAnnotation];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** "0,2-4" -> 0, 2, 3, 4; what cannot be read is left out. */
export function parseIndexes(text = ""): Set<number> {
  const found = new Set<number>();
  for (const part of text.split(",")) {
    const range = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part);
    if (!range) continue;
    for (let index = Number(range[1]); index <= Number(range[2] ?? range[1]); index++)
      found.add(index);
  }
  return found;
}

/** 0, 2, 3, 4 -> "0,2-4" */
export function formatIndexes(indexes: Iterable<number>): string {
  const ranges: [number, number][] = [];
  for (const index of [...indexes].toSorted((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last && last[1] + 1 === index) last[1] = index;
    else ranges.push([index, index]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(",");
}
