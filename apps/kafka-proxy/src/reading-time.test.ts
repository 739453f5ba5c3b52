import assert from "node:assert/strict";
import { test } from "node:test";
import { ReadingTime } from "./reading-time.ts";

test("who takes more than half of the time waits, after a burst, and others do not", () => {
  const time = new ReadingTime();
  time.spend("a", 150, 1_000);
  assert.deepEqual([time.waitMs("a", 1_000), time.waitMs("b", 1_000)], [0, 0]);
  time.spend("a", 150, 1_000);
  assert.deepEqual(
    [1_000, 1_100, 1_200].map((nowMs) => time.waitMs("a", nowMs)),
    [200, 100, 0],
  );
  time.spend("a", 300, 1_600);
  assert.equal(time.waitMs("a", 1_600), 200);
  assert.equal(time.waitMs("a", 5_000), 0);
  // What is short is free: most requests are.
  for (let request = 0; request < 10_000; request++) time.spend("b", 0.9, 1_000);
  assert.equal(time.waitMs("b", 1_000), 0);
});
