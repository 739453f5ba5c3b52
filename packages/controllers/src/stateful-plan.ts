// The next step of a StatefulSet. Pure: its pods in, which to make and which to remove out.
import type { Pod, StatefulSet } from "@tsilium/kube";
import { isFinished, isReady, isTerminating } from "./objects.ts";
import { msUntilAvailable } from "./replica-set.ts";
import { hashLabel } from "./template-history.ts";

export type StatefulPlan = {
  readonly create: readonly { readonly ordinal: number; readonly isUpdated: boolean }[];
  readonly remove: readonly Pod[];
  /** When a pod that is ready has been so for long enough; 0: nothing waits for that. */
  readonly againInMs: number;
};

/** A pod's number; undefined for a name that is none of the set's. */
export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const prefix = `${set.metadata.name}-`;
  const text = pod.metadata.name?.startsWith(prefix) ? pod.metadata.name.slice(prefix.length) : "";
  return /^(0|[1-9]\d{0,8})$/.test(text) ? Number(text) : undefined;
}

/** Repeated as pods become available and end, it leads to the wanted pods, of the newest template above the partition. */
export function planFor(
  set: StatefulSet,
  pods: readonly Pod[],
  updateRevision: string,
): StatefulPlan {
  const { replicas = 1, podManagementPolicy, updateStrategy, ordinals } = set.spec;
  const start = ordinals?.start ?? 0;
  const partition =
    updateStrategy?.type === "OnDelete" ? 0 : (updateStrategy?.rollingUpdate?.partition ?? 0);
  const inOrder = podManagementPolicy !== "Parallel";
  const byOrdinal = new Map<number, Pod>();
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod);
    if (ordinal !== undefined) byOrdinal.set(ordinal, pod);
  }
  const step = new Step(set);
  for (let ordinal = start; ordinal < start + replicas; ordinal++) {
    const pod = byOrdinal.get(ordinal);
    // A pod that ended is made anew under its name, once that is free.
    if (pod && isFinished(pod) && !isTerminating(pod)) step.remove.push(pod);
    else if (!pod) step.create.push({ ordinal, isUpdated: ordinal >= start + partition });
    if (inOrder && !step.isAvailable(pod)) return step.plan();
  }
  const beyond = [...byOrdinal]
    .filter(([ordinal]) => ordinal < start || ordinal >= start + replicas)
    .toSorted(([a], [b]) => b - a)
    .map(([, pod]) => pod);
  if (beyond.length > 0) {
    // The last goes first, and whole.
    if (!inOrder) step.remove.push(...beyond.filter((pod) => !isTerminating(pod)));
    else if (beyond[0] && !isTerminating(beyond[0])) step.remove.push(beyond[0]);
    if (inOrder) return step.plan();
  }
  if (updateStrategy?.type === "OnDelete" || step.create.length > 0) return step.plan();
  for (let ordinal = start + replicas - 1; ordinal >= start + partition; ordinal--) {
    const pod = byOrdinal.get(ordinal);
    const isOld = pod !== undefined && pod.metadata.labels?.[hashLabel] !== updateRevision;
    if (isOld && !isTerminating(pod) && !step.remove.includes(pod)) step.remove.push(pod);
    if (isOld || !step.isAvailable(pod)) break;
  }
  return step.plan();
}

class Step {
  readonly create: { ordinal: number; isUpdated: boolean }[] = [];
  readonly remove: Pod[] = [];
  readonly #minReadySeconds: number;
  #againInMs = 0;

  constructor({ spec }: StatefulSet) {
    this.#minReadySeconds = spec.minReadySeconds ?? 0;
  }

  isAvailable(pod: Pod | undefined): boolean {
    if (!pod || isTerminating(pod) || isFinished(pod) || !isReady(pod)) return false;
    const ms = msUntilAvailable(pod, this.#minReadySeconds);
    this.#againInMs = Math.max(this.#againInMs, ms);
    return ms <= 0;
  }

  plan(): StatefulPlan {
    return { create: this.create, remove: this.remove, againInMs: this.#againInMs };
  }
}
