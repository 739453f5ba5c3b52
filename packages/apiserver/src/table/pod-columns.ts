// What `kubectl get pods` tells: how many containers are ready, the most telling word about the pod, its restarts.
import { isRecord } from "../objects/json.ts";
import type { ApiObject, Fields } from "../objects/object.ts";
import { age } from "./columns.ts";

type PodRow = { readonly ready: string; readonly status: string; readonly restarts: string };

/** The three cells that are told together: each depends on what the others have found. */
export function podRow(pod: ApiObject): PodRow {
  const spec = recordAt(pod, "spec");
  const status = recordAt(pod, "status");
  const containers = listAt(spec, "containers");
  const statuses = listAt(status, "containerStatuses");
  const init = initRow(listAt(spec, "initContainers"), listAt(status, "initContainerStatuses"));
  const main = mainRow(statuses);
  let word = String(status["reason"] ?? status["phase"] ?? "Unknown");
  if (conditionReason(status) === "SchedulingGated") word = "SchedulingGated";
  let { ready, restarts, lastRestart } = init;
  if (init.word !== undefined) {
    word = init.word;
  } else {
    ready += main.ready;
    restarts = main.restarts + init.sidecarRestarts;
    lastRestart = later(main.lastRestart, init.lastRestart);
    word = main.word ?? word;
    // Some containers are done and some run: what counts is whether the pod answers.
    if (word === "Completed" && main.running) word = isReady(status) ? "Running" : "NotReady";
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    if (status["reason"] === "NodeLost") word = "Unknown";
    else if (status["phase"] !== "Succeeded" && status["phase"] !== "Failed") word = "Terminating";
  }
  const ago = restarts > 0 && lastRestart !== undefined ? ` (${age(lastRestart)} ago)` : "";
  return {
    ready: `${ready}/${containers.length + init.sidecars}`,
    status: word,
    restarts: `${restarts}${ago}`,
  };
}

type InitRow = {
  /** What the pod waits for; undefined once its init containers are done. */
  readonly word: string | undefined;
  readonly sidecars: number;
  readonly ready: number;
  readonly restarts: number;
  readonly sidecarRestarts: number;
  readonly lastRestart: string | undefined;
};

function initRow(declared: readonly Fields[], statuses: readonly Fields[]): InitRow {
  const isSidecar = (name: unknown) =>
    declared.some((one) => one["name"] === name && one["restartPolicy"] === "Always");
  const counts = { ready: 0, restarts: 0, sidecarRestarts: 0 };
  let lastRestart: string | undefined;
  let word: string | undefined;
  statuses.forEach((status, index) => {
    if (word !== undefined) return;
    const restarts = Number(status["restartCount"] ?? 0);
    counts.restarts += restarts;
    lastRestart = later(lastRestart, finishedBefore(status));
    if (isSidecar(status["name"])) counts.sidecarRestarts += restarts;
    const { terminated, waiting } = stateOf(status);
    if (terminated && terminated["exitCode"] === 0) return;
    if (isSidecar(status["name"]) && status["started"] === true) {
      if (status["ready"] === true) counts.ready += 1;
      return;
    }
    const waits = waiting?.["reason"];
    if (terminated) word = `Init:${endedWord(terminated)}`;
    else if (typeof waits === "string" && waits !== "PodInitializing") word = `Init:${waits}`;
    else word = `Init:${index}/${declared.length}`;
  });
  const sidecars = declared.filter((one) => one["restartPolicy"] === "Always").length;
  return { word, sidecars, ...counts, lastRestart };
}

function mainRow(statuses: readonly Fields[]) {
  let word: string | undefined;
  let ready = 0;
  let restarts = 0;
  let lastRestart: string | undefined;
  let running = false;
  for (const status of statuses.toReversed()) {
    restarts += Number(status["restartCount"] ?? 0);
    lastRestart = later(lastRestart, finishedBefore(status));
    const { waiting, terminated, running: runs } = stateOf(status);
    if (typeof waiting?.["reason"] === "string" && waiting["reason"] !== "")
      word = waiting["reason"];
    else if (terminated) word = endedWord(terminated);
    else if (status["ready"] === true && runs) {
      running = true;
      ready += 1;
    }
  }
  return { word, ready, restarts, lastRestart, running };
}

function endedWord(terminated: Fields): string {
  const { reason, signal, exitCode } = terminated;
  if (typeof reason === "string" && reason !== "") return reason;
  return typeof signal === "number" && signal !== 0
    ? `Signal:${signal}`
    : `ExitCode:${Number(exitCode ?? 0)}`;
}

function stateOf(
  status: Fields,
): Readonly<Record<"waiting" | "terminated" | "running", Fields | undefined>> {
  const state = recordAt(status, "state");
  const of = (name: string) => (isRecord(state[name]) ? state[name] : undefined);
  return { waiting: of("waiting"), terminated: of("terminated"), running: of("running") };
}

/** When the run before this one ended. */
function finishedBefore(status: Fields): string | undefined {
  const ended = recordAt(recordAt(status, "lastState"), "terminated")["finishedAt"];
  return typeof ended === "string" ? ended : undefined;
}

function later(left: string | undefined, right: string | undefined): string | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  return Date.parse(left) >= Date.parse(right) ? left : right;
}

function isReady(status: Fields): boolean {
  return listAt(status, "conditions").some(
    (condition) => condition["type"] === "Ready" && condition["status"] === "True",
  );
}

function conditionReason(status: Fields): unknown {
  return listAt(status, "conditions").find((condition) => condition["type"] === "PodScheduled")?.[
    "reason"
  ];
}

function recordAt(object: Fields, name: string): Fields {
  return isRecord(object[name]) ? object[name] : {};
}

function listAt(object: Fields, name: string): Fields[] {
  return Array.isArray(object[name]) ? object[name].filter(isRecord) : [];
}
