// What a container's runs at the runtime come to: in the pod's status, and for what is to be done next. Pure.
import type { Container, ContainerState, ContainerStatus, Pod, PodSpec } from "@tsilium/kube";
import * as cri from "./gen/runtime/v1/api_pb.ts";

/** A sandbox that is ready and what is in it. */
export type Place = {
  readonly sandbox: cri.PodSandbox;
  readonly statuses: readonly cri.ContainerStatus[];
  readonly podIps: readonly string[];
};

/** Kubernetes' is 10 s, doubled up to five minutes. */
const backOffMs = 500;

/** A container's runs in a sandbox, newest first. */
export function runsOf({ name }: Container, { statuses }: Place): cri.ContainerStatus[] {
  const attempt = ({ metadata }: cri.ContainerStatus) => metadata?.attempt ?? 0;
  return statuses
    .filter(({ metadata }) => metadata?.name === name)
    .toSorted((a, b) => attempt(b) - attempt(a));
}

/** Whether a run that ended (or never was) may be followed by another by now. */
export function isDue(last: cri.ContainerStatus | undefined): boolean {
  return last === undefined || Date.now() - milliseconds(last.finishedAt) > backOffMs;
}

/** Whether the pod's policy follows a run that ended by another. */
export function wantsAgain({ spec }: Pod, { exitCode }: cri.ContainerStatus): boolean {
  const { restartPolicy = "Always" } = spec;
  return restartPolicy === "Always" || (restartPolicy === "OnFailure" && exitCode !== 0);
}

/** How a pod ended; undefined as long as one of its containers runs or will. */
export function outcomeOf(
  restartPolicy: PodSpec["restartPolicy"] = "Always",
  statuses: readonly ContainerStatus[],
): "Succeeded" | "Failed" | undefined {
  const codes = statuses.map(({ state }) => state?.terminated?.exitCode);
  const isOver = (code: number | undefined) =>
    code !== undefined && (restartPolicy === "Never" || code === 0);
  if (restartPolicy === "Always" || !codes.every(isOver)) return undefined;
  return codes.every((code) => code === 0) ? "Succeeded" : "Failed";
}

/** @param probed what probes have found of a run, by its ID */
export function containerStatus(
  container: Container,
  place: Place | undefined,
  probed: (id: string) => { readonly ready: boolean; readonly started: boolean } | undefined,
): ContainerStatus {
  const [last, before] = place ? runsOf(container, place) : [];
  const { ready = false, started = false } = (last && probed(last.id)) ?? {};
  return {
    name: container.name,
    image: container.image ?? "",
    imageID: last?.imageRef ?? "",
    ...(last ? { containerID: `containerd://${last.id}` } : {}),
    state: last ? stateOf(last) : { waiting: { reason: "ContainerCreating" } },
    lastState: before ? stateOf(before) : {},
    ready,
    started,
    restartCount: last?.metadata?.attempt ?? 0,
  };
}

function stateOf(run: cri.ContainerStatus): ContainerState {
  const startedAt = timeOf(run.startedAt);
  if (run.state === cri.ContainerState.CONTAINER_RUNNING) return { running: { startedAt } };
  if (run.state !== cri.ContainerState.CONTAINER_EXITED)
    return { waiting: { reason: "ContainerCreating" } };
  const { exitCode, reason, message } = run;
  return {
    terminated: { exitCode, reason, message, startedAt, finishedAt: timeOf(run.finishedAt) },
  };
}

const milliseconds = (nanoseconds: bigint) => Number(nanoseconds / 1_000_000n);

const timeOf = (nanoseconds: bigint) => new Date(milliseconds(nanoseconds)).toISOString();
