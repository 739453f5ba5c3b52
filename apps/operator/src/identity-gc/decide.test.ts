import assert from "node:assert/strict";
import { test } from "node:test";
import { deletionsPerSecond, haste, type IdentityFacts, judge, type Verdict } from "./decide.ts";

const window = 100;
const now = 1_000;

const rows: readonly [
  string,
  Omit<IdentityFacts, "markedAtMs"> & { markedAtMs?: number },
  Verdict,
][] = [
  ["in use", { used: true, unusedSinceMs: 0 }, "keep"],
  ["in use and marked", { used: true, unusedSinceMs: 0, markedAtMs: 0 }, "unmark"],
  ["unused for less than a window", { used: false, unusedSinceMs: 901 }, "keep"],
  ["unused for a window", { used: false, unusedSinceMs: 900 }, "mark"],
  ["marked less than a window ago", { used: false, unusedSinceMs: 0, markedAtMs: 901 }, "keep"],
  ["marked a window ago", { used: false, unusedSinceMs: 0, markedAtMs: 900 }, "delete"],
  [
    "marked long ago, by an operator before",
    { used: false, unusedSinceMs: 901, markedAtMs: 0 },
    "keep",
  ],
  ["marked at a time to come", { used: false, unusedSinceMs: 0, markedAtMs: 1_001 }, "mark"],
  ["marked with no time", { used: false, unusedSinceMs: 0, markedAtMs: Number.NaN }, "mark"],
  ["of unknown age", { used: false, unusedSinceMs: Number.POSITIVE_INFINITY }, "keep"],
];
for (const [what, facts, verdict] of rows)
  test(`an identity ${what}: ${verdict}`, () => assert.equal(judge(facts, now, window), verdict));

test("windows are whole while half of the numbers are free, and a thirtieth when hardly any are", () => {
  assert.equal(haste(0), 1);
  assert.equal(haste(32_000), 1);
  assert.ok(haste(50_000) < 0.6 && haste(50_000) > 0.3);
  assert.equal(haste(65_000), 1 / 30);
  let last = 1;
  for (let count = 0; count <= 65_280; count += 97) {
    assert.ok(haste(count) <= last && haste(count) > 0);
    last = haste(count);
  }
});

test("deletions keep pace with what comes and with what is due, within what the API server bears", () => {
  assert.equal(deletionsPerSecond(1, 0, undefined), 50);
  assert.equal(deletionsPerSecond(1, 40, undefined), 80);
  assert.equal(deletionsPerSecond(6_000, 0, undefined), 100);
  assert.equal(deletionsPerSecond(60_000, 1_000, undefined), 500);
  assert.equal(deletionsPerSecond(60_000, 1_000, 41), 41);
});
