import assert from "node:assert/strict";
import { test } from "node:test";
import { policyHealth } from "./health.ts";
import type { Condition, StatusReport } from "./model.ts";

function health(...conditions: readonly Condition[]) {
  const report: StatusReport = {
    synced: true,
    applied: 1,
    placed: 1,
    revision: 4,
    policies: 3,
    invalidPolicies: 0,
    identities: 9,
    slots: 2,
    subjectCount: 1,
    subjects: [],
    conditions,
    conditionCount: conditions.length,
    usage: [],
    round: undefined,
    adopting: false,
    news: undefined,
  };
  const { state, message } = policyHealth({ down: undefined, restarts: 0, report });
  return `${state}: ${message}`;
}

const listener = { kind: "listener", name: "listener 11008", reason: "no proxy" } as const;

test("what holds is said as it is: the old, the new, or the new but for what has no listener", () => {
  assert.equal(health(), "ok: 3 policies, revision 4, 2 slots");
  assert.equal(
    health({ kind: "slot", name: "slot 7", reason: "the map is full" }),
    "degraded: what was in force stays: slot 7: the map is full",
  );
  assert.equal(
    health({ ...listener, waiting: true }),
    "degraded: what was in force stays: listener 11008: no proxy",
  );
  assert.equal(
    health({ ...listener, denies: true }, listener),
    "degraded: policies are in force, and what lacks a listener is denied: listener 11008: no proxy and 1 more",
  );
  assert.equal(
    health({ kind: "file", name: "listeners.json", reason: "EROFS" }),
    "degraded: policies are in force: listeners.json: EROFS",
  );
});
