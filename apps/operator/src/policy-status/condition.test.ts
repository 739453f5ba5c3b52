import assert from "node:assert/strict";
import { test } from "node:test";
import type { Judgement } from "../policies/judge.ts";
import { conditionsFor, validityOf, type PolicyObject } from "./condition.ts";

const now = new Date("2026-03-01T12:00:00.500Z");
const earlier = "2026-01-01T00:00:00Z";
const good: Judgement = { problems: [], warnings: [] };
const bad: Judgement = {
  problems: [1, 2, 3, 4, 5].map((at) => ({ path: `spec.ingress[${at}]`, message: "is wrong" })),
  warnings: [],
};

const policy = (generation: number, conditions?: object[]): PolicyObject =>
  ({
    metadata: { name: "p", generation },
    ...(conditions ? { status: { conditions } } : {}),
  }) as PolicyObject;

const valid = {
  type: "Valid",
  status: "True",
  reason: "Valid",
  message: "validation succeeded",
  observedGeneration: 1,
  lastTransitionTime: earlier,
};

test("a policy without a status gets one", () => {
  assert.deepEqual(conditionsFor(policy(1), good, now), [
    { ...valid, lastTransitionTime: "2026-03-01T12:00:00Z" },
  ]);
});

test("a status that says it already is left alone", () => {
  assert.equal(conditionsFor(policy(1, [valid]), good, now), undefined);
});

test("another generation of the same verdict keeps the time of the last change", () => {
  assert.deepEqual(conditionsFor(policy(2, [valid]), good, now), [
    { ...valid, observedGeneration: 2 },
  ]);
});

test("a change of the verdict is dated; the first problems are told, the others counted", () => {
  assert.deepEqual(conditionsFor(policy(1, [valid]), bad, now), [
    {
      type: "Valid",
      status: "False",
      reason: "Invalid",
      message:
        "nothing of it is enforced: spec.ingress[1]: is wrong; spec.ingress[2]: is wrong; spec.ingress[3]: is wrong; and 2 more",
      observedGeneration: 1,
      lastTransitionTime: "2026-03-01T12:00:00Z",
    },
  ]);
});

test("warnings leave a policy valid and are told", () => {
  const warned = { problems: [], warnings: [{ path: "spec", message: "selects nothing" }] };
  const [condition] = conditionsFor(policy(1), warned, now) ?? [];
  assert.equal(condition?.status, "True");
  assert.equal(condition?.message, "valid, with warnings: spec: selects nothing");
});

test("conditions of other types stay", () => {
  const other = { type: "Ready", status: "False" };
  assert.deepEqual(conditionsFor(policy(1, [other, { ...valid, status: "False" }]), good, now), [
    other,
    { ...valid, lastTransitionTime: "2026-03-01T12:00:00Z" },
  ]);
});

test("validity is read from the status alone", () => {
  assert.equal(validityOf(policy(1)), "unknown");
  assert.equal(validityOf(policy(1, [valid])), "valid");
  assert.equal(validityOf(policy(1, [{ ...valid, status: "False" }])), "invalid");
});
