// A pod's status from what its containers are doing. Pure.
import type { Condition, ContainerStatus, Pod, PodPhase, PodStatus } from "@tsilium/kube";

export type PodProgress = {
  readonly hostIps: readonly string[];
  /** Empty until the sandbox is there. */
  readonly podIps: readonly string[];
  readonly sandboxReady: boolean;
  readonly initialized: boolean;
  readonly startTime: string;
  readonly initContainers: readonly ContainerStatus[];
  readonly containers: readonly ContainerStatus[];
  /** Set once all of it has ended for good. */
  readonly outcome: "Succeeded" | "Failed" | undefined;
  /** Why it cannot go on, "FailedCreatePodSandBox"; shown while pending. */
  readonly trouble: { readonly reason: string; readonly message: string } | undefined;
  /** When this status is of. */
  readonly now: string;
};

/** The whole status to write. `pod`: as last seen, for conditions that others wrote and times that stay. */
export function podStatus(pod: Pod, progress: PodProgress): PodStatus {
  const ips = (list: readonly string[]) => list.map((ip) => ({ ip }));
  const { hostIps, podIps } = progress;
  return {
    ...pod.status,
    phase: phaseOf(progress),
    conditions: conditionsOf(pod, progress),
    startTime: progress.startTime,
    ...(hostIps[0] ? { hostIP: hostIps[0], hostIPs: ips(hostIps) } : {}),
    ...(podIps[0] ? { podIP: podIps[0], podIPs: ips(podIps) } : {}),
    ...(progress.initContainers.length > 0
      ? { initContainerStatuses: progress.initContainers }
      : {}),
    containerStatuses: progress.containers,
    ...(pod.metadata.generation === undefined
      ? {}
      : { observedGeneration: pod.metadata.generation }),
  };
}

function phaseOf(progress: PodProgress): PodPhase {
  if (progress.outcome) return progress.outcome;
  const begun = ({ state, lastState, restartCount }: ContainerStatus) =>
    state?.running !== undefined ||
    state?.terminated !== undefined ||
    lastState?.terminated !== undefined ||
    restartCount > 0;
  const allBegun = progress.containers.every(begun);
  return progress.initialized && allBegun ? "Running" : "Pending";
}

function conditionsOf(pod: Pod, progress: PodProgress): Condition[] {
  const unready = progress.containers.filter(({ ready }) => !ready).map(({ name }) => name);
  const ended = progress.outcome !== undefined;
  const containersReady = unready.length === 0 && !ended;
  const why = ended
    ? { reason: progress.outcome === "Succeeded" ? "PodCompleted" : "PodFailed" }
    : {
        reason: "ContainersNotReady",
        message: `containers with unready status: [${unready.join(" ")}]`,
      };
  const ours: Condition[] = [
    condition("PodReadyToStartContainers", progress.sandboxReady, progress.trouble),
    condition("Initialized", progress.initialized, {
      reason: "ContainersNotInitialized",
      message: "init containers have not completed",
    }),
    condition("Ready", containersReady, why),
    condition("ContainersReady", containersReady, why),
    condition("PodScheduled", true),
  ];
  const before = new Map((pod.status?.conditions ?? []).map((entry) => [entry.type, entry]));
  const stamped = ours.map((entry) => {
    const old = before.get(entry.type);
    before.delete(entry.type);
    const since = old?.status === entry.status ? old.lastTransitionTime : undefined;
    return { ...entry, lastTransitionTime: since ?? progress.now };
  });
  // What is left was written by somebody else: it stays.
  return [...stamped, ...before.values()];
}

function condition(
  type: string,
  status: boolean,
  unless?: { readonly reason: string; readonly message?: string },
): Condition {
  return { type, status: status ? "True" : "False", ...(status ? {} : unless) };
}
