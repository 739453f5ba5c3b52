import assert from "node:assert/strict";
import { test } from "node:test";
import { selects } from "./selector.ts";
import type { LabelSelector } from "./types/meta.ts";

const labels = { pool: "fast", zone: "a" };
const rows: readonly [LabelSelector, boolean][] = [
  [{}, true],
  [{ matchLabels: { pool: "fast" } }, true],
  [{ matchLabels: { pool: "fast", zone: "b" } }, false],
  [{ matchLabels: { constructor: "x" } }, false],
  [{ matchExpressions: [{ key: "pool", operator: "In", values: ["slow", "fast"] }] }, true],
  [{ matchExpressions: [{ key: "pool", operator: "NotIn", values: ["fast"] }] }, false],
  [{ matchExpressions: [{ key: "rack", operator: "NotIn", values: ["1"] }] }, true],
  [{ matchExpressions: [{ key: "toString", operator: "Exists" }] }, false],
  [{ matchExpressions: [{ key: "zone", operator: "Exists" }] }, true],
  [{ matchExpressions: [{ key: "zone", operator: "DoesNotExist" }] }, false],
];
for (const [selector, expected] of rows)
  test(`${JSON.stringify(selector)} ${expected ? "selects" : "does not select"} it`, () =>
    assert.equal(selects(selector, labels), expected));

test("an operator that there is none of is an error, not a selection", () =>
  assert.throws(
    () => selects({ matchExpressions: [{ key: "a", operator: "Like" as never }] }, {}),
    /Like/,
  ));
