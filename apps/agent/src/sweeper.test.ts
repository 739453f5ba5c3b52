import assert from "node:assert/strict";
import { test } from "node:test";
import { nextInterval } from "./sweeper.ts";

const rows: readonly (readonly [string, number, number, number, number])[] = [
  ["nothing expired", 60_000, 0, 1000, 90_000],
  ["the table was empty", 60_000, 0, 0, 90_000],
  ["a tenth expired", 60_000, 100, 900, 60_000],
  ["half expired", 60_000, 500, 500, 30_000],
  ["everything expired", 60_000, 1000, 0, 10_000],
  ["nothing expired for a long time", 30 * 60_000, 0, 1000, 30 * 60_000],
];

for (const [what, intervalMs, deleted, alive, expected] of rows) {
  test(`when ${what}, a sweep after ${intervalMs} ms is followed by one after ${expected} ms`, () => {
    assert.equal(nextInterval(intervalMs, [{ deleted, alive }]), expected);
  });
}
