import assert from "node:assert/strict";
import { test } from "node:test";
import type { ContainerStatus, Pod } from "@tsilium/kube";
import { podStatus, type PodProgress } from "./pod-status.ts";

const pod: Pod = { metadata: { name: "p" }, spec: { containers: [] } };
const container = (state: ContainerStatus["state"], ready = false): ContainerStatus => ({
  name: "c",
  image: "i",
  imageID: "",
  restartCount: 0,
  ready,
  ...(state ? { state } : {}),
});
const running = container({ running: {} }, true);
const waiting = container({ waiting: { reason: "ContainerCreating" } });
const base: PodProgress = {
  hostIps: ["172.18.0.2"],
  podIps: ["10.244.0.5"],
  sandboxReady: true,
  initialized: true,
  startTime: "2026-01-01T00:00:00Z",
  initContainers: [],
  containers: [running],
  outcome: undefined,
  trouble: undefined,
  now: "2026-01-01T00:00:01Z",
};

const cases: readonly (readonly [what: string, progress: Partial<PodProgress>, shape: string])[] = [
  ["one whose container runs and is ready is ready", {}, "Running ready"],
  [
    "one whose container runs is not ready until it is",
    { containers: [container({ running: {} })] },
    "Running unready",
  ],
  [
    "one with a container to come is pending",
    { containers: [running, waiting] },
    "Pending unready",
  ],
  [
    "one whose init containers run is pending",
    { initialized: false, containers: [waiting] },
    "Pending unready",
  ],
  ["one that has done its work has succeeded", { outcome: "Succeeded" }, "Succeeded unready"],
  ["one that has failed is failed", { outcome: "Failed" }, "Failed unready"],
];

for (const [what, progress, shape] of cases) {
  test(`of a pod, ${what}`, () => {
    const { phase, conditions = [] } = podStatus(pod, { ...base, ...progress });
    const ready = conditions.find(({ type }) => type === "Ready")?.status === "True";
    assert.equal(`${phase} ${ready ? "ready" : "unready"}`, shape);
  });
}

test("a crashed container that waits for its next run leaves the pod running", () => {
  const crashed = {
    ...container({ waiting: { reason: "CrashLoopBackOff" } }),
    lastState: { terminated: { exitCode: 1 } },
    restartCount: 3,
  };
  assert.equal(podStatus(pod, { ...base, containers: [crashed] }).phase, "Running");
});

test("a condition keeps the time of its last change, and others' conditions stay", () => {
  const first = podStatus(pod, base);
  const foreign = { type: "example.org/gate", status: "True" } as const;
  const seen = { ...pod, status: { ...first, conditions: [...(first.conditions ?? []), foreign] } };
  const later = podStatus(seen, { ...base, now: "2026-01-01T00:09:00Z" });
  const times = later.conditions?.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]);
  assert.ok(times?.every(([type, time]) => type === "example.org/gate" || time === base.now));
  assert.deepEqual(later.conditions?.at(-1), foreign);
});
