// A Deployment's status from its ReplicaSets: counts, and the conditions that `kubectl rollout status` waits for. Pure.
import type { Condition, Deployment, ReplicaSet } from "@tsilium/kube";
import { timestamp } from "./objects.ts";
import { share } from "./rollout.ts";

export type DeploymentStatus = NonNullable<Deployment["status"]>;

export type StatusFacts = {
  readonly current: ReplicaSet;
  /** All of them, the current one too. */
  readonly sets: readonly ReplicaSet[];
  /** The current set was made just now. */
  readonly created: boolean;
  readonly nowMs: number;
};

export function deploymentStatus(deployment: Deployment, facts: StatusFacts): DeploymentStatus {
  const { current, sets } = facts;
  const total = (read: (set: ReplicaSet) => number | undefined) =>
    sets.reduce((sum, set) => sum + (read(set) ?? 0), 0);
  const available = total((set) => set.status?.availableReplicas);
  const counts = {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: total((set) => set.status?.replicas),
    updatedReplicas: current.status?.replicas ?? 0,
    readyReplicas: total((set) => set.status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, total((set) => set.spec.replicas ?? 1) - available),
  };
  const conditions = conditionsOf(deployment, counts, facts);
  return { ...counts, conditions };
}

/** How long until a rollout that makes no progress is late; undefined when nothing is awaited. */
export function msUntilLate(deployment: Deployment, nowMs: number): number | undefined {
  const { progressDeadlineSeconds, paused } = deployment.spec;
  const progressing = deployment.status?.conditions?.find(({ type }) => type === "Progressing");
  if (paused || progressDeadlineSeconds === undefined || progressDeadlineSeconds >= never)
    return undefined;
  if (!progressing || isOver(progressing)) return undefined;
  return updatedAt(progressing) + progressDeadlineSeconds * 1000 - nowMs;
}

/** Kubernetes' "no deadline". */
const never = 2 ** 31 - 1;

type Counts = Omit<DeploymentStatus, "conditions">;

function conditionsOf(deployment: Deployment, counts: Counts, facts: StatusFacts): Condition[] {
  const before = deployment.status?.conditions ?? [];
  const { strategy, replicas = 1 } = deployment.spec;
  const mayLack =
    strategy?.type === "Recreate"
      ? 0
      : share(strategy?.rollingUpdate?.maxUnavailable, replicas, "down");
  const isAvailable = (counts.availableReplicas ?? 0) >= replicas - mayLack;
  const available = {
    type: "Available",
    status: isAvailable ? "True" : "False",
    reason: isAvailable ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
    message: isAvailable
      ? "Deployment has minimum availability."
      : "Deployment does not have minimum availability.",
  } as const;
  const ours = [available, progressOf(deployment, counts, facts)];
  const kept = before.filter(({ type }) => !ours.some((one) => one.type === type));
  return [...kept, ...ours.map((one) => stamped(one, before, facts.nowMs))];
}

type Unstamped = Pick<Condition, "type" | "status" | "reason" | "message"> & {
  /** Something has moved: the deadline begins anew. */
  readonly moved?: boolean;
};

function stamped(
  { moved = false, ...next }: Unstamped,
  before: readonly Condition[],
  nowMs: number,
): Condition {
  const old = before.find(({ type }) => type === next.type);
  const time = timestamp(nowMs);
  const same = old?.status === next.status;
  const unchanged = same && old.reason === next.reason && old.message === next.message && !moved;
  return {
    ...next,
    lastUpdateTime: unchanged ? (old.lastUpdateTime ?? time) : time,
    lastTransitionTime: same ? (old.lastTransitionTime ?? time) : time,
  };
}

function progressOf(deployment: Deployment, counts: Counts, facts: StatusFacts): Unstamped {
  const { name } = facts.current.metadata;
  const old = deployment.status?.conditions?.find(({ type }) => type === "Progressing");
  const set = `ReplicaSet "${name}"`;
  const is = (status: Condition["status"], reason: string, message: string): Unstamped => ({
    type: "Progressing",
    status,
    reason,
    message,
  });
  if (deployment.spec.paused) return is("Unknown", "DeploymentPaused", "Deployment is paused");
  if (isComplete(deployment, counts))
    return is("True", "NewReplicaSetAvailable", `${set} has successfully progressed.`);
  if (facts.created) return is("True", "NewReplicaSetCreated", `Created new replica set "${name}"`);
  if (old?.reason === "DeploymentPaused")
    return is("Unknown", "DeploymentResumed", "Deployment is resumed");
  if (hasMoved(deployment, counts))
    return { ...is("True", "ReplicaSetUpdated", `${set} is progressing.`), moved: true };
  const late = (msUntilLate(deployment, facts.nowMs) ?? 1) <= 0;
  if (late || old?.reason === "ProgressDeadlineExceeded")
    return is("False", "ProgressDeadlineExceeded", `${set} has timed out progressing.`);
  return is("True", "ReplicaSetUpdated", `${set} is progressing.`);
}

function isComplete({ spec: { replicas = 1 } }: Deployment, counts: Counts): boolean {
  return (
    counts.updatedReplicas === replicas &&
    counts.replicas === replicas &&
    (counts.availableReplicas ?? 0) >= replicas
  );
}

function hasMoved({ status = {} }: Deployment, counts: Counts): boolean {
  const was = (name: keyof Counts) => Number(status[name] ?? 0);
  const is = (name: keyof Counts) => Number(counts[name] ?? 0);
  const old = (read: typeof was) => read("replicas") - read("updatedReplicas");
  return (
    is("updatedReplicas") > was("updatedReplicas") ||
    old(is) < old(was) ||
    is("readyReplicas") > was("readyReplicas") ||
    is("availableReplicas") > was("availableReplicas")
  );
}

/** It has come to an end, well or late. */
function isOver({ reason }: Condition): boolean {
  return reason === "NewReplicaSetAvailable" || reason === "ProgressDeadlineExceeded";
}

function updatedAt(condition: Condition): number {
  return Date.parse(condition.lastUpdateTime ?? condition.lastTransitionTime ?? "") || 0;
}
