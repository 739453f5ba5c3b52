import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordBatch } from "./record-batch.ts";

test("records lie one behind the other, also when there are more than memory was made for", () => {
  const batch = new RecordBatch();
  for (let at = 0; at < 300; at++) batch.add(new Uint8Array(100).fill(at % 251));
  assert.equal(batch.size, 300);
  assert.equal(batch.bytes.length, 30_000);
  assert.deepEqual(
    [0, 1, 299].map((at) => batch.bytes.subarray(at * 100, at * 100 + 100)),
    [0, 1, 48].map((value) => new Uint8Array(100).fill(value)),
  );
});
