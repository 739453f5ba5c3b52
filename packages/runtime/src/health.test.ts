import assert from "node:assert/strict";
import { test } from "node:test";
import { type HealthState, reconcilerHealth, worst } from "./health.ts";

const rows: readonly (readonly [string, readonly HealthState[], HealthState])[] = [
  ["no part at all", [], "ok"],
  ["parts that somebody disabled", ["ok", "disabled"], "ok"],
  ["one part degraded", ["ok", "degraded", "disabled"], "degraded"],
  ["one part failed", ["degraded", "failed", "ok"], "failed"],
];
for (const [what, states, expected] of rows) {
  test(`with ${what} the whole is ${expected}`, () => {
    const parts = states.map((state) => ({ name: "part", state, message: "" }));
    assert.equal(worst(parts), expected);
  });
}

test("a reconciler with work in hand is well, one that fails names the first row and how many more", () => {
  assert.equal(reconcilerHealth("r", { pending: 3, failing: [] }).message, "3 pending");
  const failing = ["a", "b", "c"].map((key) => ({ key, attempts: 2, error: "EBUSY" }));
  assert.deepEqual(reconcilerHealth("r", { pending: 0, failing }), {
    name: "r",
    state: "degraded",
    message: "a and 2 others failing (attempt 2): EBUSY",
  });
});
