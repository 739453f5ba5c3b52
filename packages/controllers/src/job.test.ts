import { strict as assert } from "node:assert";
import { test } from "node:test";
import type { Job, Pod } from "@tsilium/kube";
import {
  countPods,
  formatIndexes,
  indexAnnotation,
  parseIndexes,
  trackingFinalizer,
} from "./job-count.ts";
import { endOf, planFor } from "./job-plan.ts";

const nowMs = Date.parse("2026-01-01T00:01:00Z");

function job(spec: Partial<Job["spec"]>, status: Job["status"] = {}): Job {
  return {
    metadata: { name: "j", namespace: "n", uid: "job" },
    spec: { parallelism: 1, template: { spec: { containers: [] } }, ...spec },
    status: { startTime: "2026-01-01T00:00:00Z", ...status },
  };
}

type PodFacts = {
  readonly phase: "Pending" | "Running" | "Succeeded" | "Failed";
  readonly index?: number;
  readonly counted?: boolean;
  readonly deleted?: boolean;
};

function pod(uid: string, { phase, index, counted, deleted }: PodFacts): Pod {
  return {
    metadata: {
      name: uid,
      uid,
      ...(counted ? {} : { finalizers: [trackingFinalizer] }),
      ...(index === undefined ? {} : { annotations: { [indexAnnotation]: String(index) } }),
      ...(deleted ? { deletionTimestamp: "2026-01-01T00:00:30Z" } : {}),
    },
    spec: { containers: [] },
    status: { phase },
  };
}

function plan(wanted: Job, pods: readonly Pod[]) {
  const { create, remove, ends, status } = planFor(wanted, pods, {
    count: countPods(wanted, pods),
    nowMs,
  });
  return {
    create: create.map((index) => index ?? "any"),
    remove: remove.map(({ metadata }) => metadata.name),
    ends: ends && `${ends.type} ${ends.reason ?? ""}`.trim(),
    counts: [status.active ?? 0, status.succeeded ?? 0, status.failed ?? 0],
    uncounted: status.uncountedTerminatedPods,
  };
}

const nothing = { create: [], remove: [], ends: undefined, uncounted: {} };

for (const [what, wanted, pods, expected] of [
  [
    "a new job makes as many pods as may run at once",
    job({ completions: 5, parallelism: 2 }),
    [],
    { ...nothing, create: ["any", "any"], counts: [0, 0, 0] },
  ],
  [
    "no more pods are made than successes are missing",
    job({ completions: 3, parallelism: 3 }, { succeeded: 2 }),
    [],
    { ...nothing, create: ["any"], counts: [0, 2, 0] },
  ],
  [
    "a pod that has ended is listed before it is counted",
    job({ completions: 2 }),
    [pod("a", { phase: "Succeeded" })],
    { ...nothing, create: ["any"], counts: [0, 0, 0], uncounted: { succeeded: ["a"] } },
  ],
  [
    "a listed pod without its finalizer is counted, once",
    job({ completions: 2 }, { uncountedTerminatedPods: { succeeded: ["a"] } }),
    [pod("a", { phase: "Succeeded", counted: true })],
    { ...nothing, create: ["any"], counts: [0, 1, 0] },
  ],
  [
    "a listed pod that is gone is counted as well",
    job({ completions: 2 }, { uncountedTerminatedPods: { failed: ["a"] } }),
    [],
    { ...nothing, create: ["any"], counts: [0, 0, 1] },
  ],
  [
    "a pod that somebody deletes counts as failed",
    job({ completions: 1 }),
    [pod("a", { phase: "Running", deleted: true })],
    { ...nothing, create: ["any"], counts: [0, 0, 0], uncounted: { failed: ["a"] } },
  ],
  [
    "enough successes complete it",
    job({ completions: 1 }),
    [pod("a", { phase: "Succeeded" })],
    { ...nothing, ends: "Complete", counts: [0, 0, 0], uncounted: { succeeded: ["a"] } },
  ],
  [
    "without completions one success is enough, and the others may end",
    job({ parallelism: 2 }),
    [pod("a", { phase: "Succeeded" }), pod("b", { phase: "Running" })],
    { ...nothing, counts: [1, 0, 0], uncounted: { succeeded: ["a"] } },
  ],
  [
    "more failures than the limit end it, and what still runs",
    job({ completions: 5, parallelism: 2, backoffLimit: 1 }, { failed: 1 }),
    [pod("a", { phase: "Failed" }), pod("b", { phase: "Running" })],
    {
      ...nothing,
      remove: ["b"],
      ends: "Failed BackoffLimitExceeded",
      counts: [0, 0, 1],
      uncounted: { failed: ["a"] },
    },
  ],
  [
    "a deadline ends it",
    job({ completions: 1, activeDeadlineSeconds: 60 }),
    [pod("a", { phase: "Running" })],
    { ...nothing, remove: ["a"], ends: "Failed DeadlineExceeded", counts: [0, 0, 0] },
  ],
  [
    "a suspended job ends its pods, which is no failure of theirs",
    job({ completions: 1, suspend: true }),
    [pod("a", { phase: "Running" }), pod("b", { phase: "Running", deleted: true })],
    { ...nothing, remove: ["a"], counts: [0, 0, 0] },
  ],
  [
    "an indexed job makes the indexes that are missing",
    job({ completions: 4, parallelism: 3, completionMode: "Indexed" }, { completedIndexes: "1" }),
    [pod("a", { phase: "Running", index: 0 }), pod("b", { phase: "Succeeded", index: 2 })],
    {
      ...nothing,
      create: [3],
      counts: [1, 2, 0],
      uncounted: { succeeded: ["b"] },
    },
  ],
  [
    "of two pods with one index one is enough",
    job({ completions: 2, parallelism: 2, completionMode: "Indexed" }),
    [pod("a", { phase: "Running", index: 0 }), pod("b", { phase: "Pending", index: 0 })],
    { ...nothing, create: [1], remove: ["b"], counts: [1, 0, 0] },
  ],
] as const) {
  test(`Job: ${what}`, () => assert.deepEqual(plan(wanted, pods), expected));
}

test("Job: one that has ended makes nothing and ends nothing anew", () => {
  const ended = job(
    { completions: 2 },
    { conditions: [{ type: "Complete", status: "True" }], succeeded: 2 },
  );
  assert.equal(endOf(ended)?.type, "Complete");
  assert.deepEqual(plan(ended, []), { ...nothing, counts: [0, 2, 0] });
});

test("Job: indexes are written as ranges and read back", () => {
  const texts = ["", "0", "0,2-4", "1-2,4,6-9"];
  assert.deepEqual(
    texts.map((text) => formatIndexes(parseIndexes(text))),
    texts,
  );
  assert.deepEqual([...parseIndexes("x,1-,3")], [3]);
});

test("Job: however often we are interrupted, every pod is counted once", () => {
  // A twin that knows everything: pods end at random, writes of status and finalizers get lost at random.
  let seed = 11;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    // The low bits of such a generator alternate.
    return (seed >>> 8) % below;
  };
  for (let round = 0; round < 100; round++) {
    let current = job({ completions: 100, parallelism: 100, backoffLimit: 100 });
    const pods = new Map<string, Pod>();
    const truth = { succeeded: 0, failed: 0 };
    for (let step = 0; step < 60; step++) {
      if (step < 30) {
        const phase = random(2) === 0 ? "Succeeded" : "Failed";
        truth[phase === "Succeeded" ? "succeeded" : "failed"] += 1;
        pods.set(`p${step}`, pod(`p${step}`, { phase }));
      }
      const all = [...pods.values()];
      const { status } = planFor(current, all, { count: countPods(current, all), nowMs });
      if (step < 50 && random(3) === 0) continue; // the status was not written
      current = { ...current, status };
      const listed = Object.values(status.uncountedTerminatedPods ?? {}).flat();
      for (const uid of listed) {
        if (step < 50 && random(3) === 0) continue; // the finalizer stays for now
        if (random(2) === 0) pods.delete(uid);
        else pods.set(uid, { ...(pods.get(uid) as Pod), metadata: { name: uid, uid } });
      }
    }
    assert.deepEqual(
      { succeeded: current.status?.succeeded ?? 0, failed: current.status?.failed ?? 0 },
      truth,
      `round ${round}`,
    );
  }
});
