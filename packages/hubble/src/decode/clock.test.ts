import assert from "node:assert/strict";
import { test } from "node:test";
import { BootClock } from "./clock.ts";

const second = 1_000_000_000n;

function clocks() {
  const now = { boot: 1000n * second, unix: 1_795_687_200n * second };
  const clock = new BootClock({ boottimeNs: () => now.boot, unixNs: () => now.unix });
  return { now, clock };
}

test("a time since boot is a time of day", () => {
  const { clock } = clocks();
  assert.equal(clock.unixNs(999n * second), 1_795_687_199n * second);
  assert.equal(clock.nowNs(), 1_795_687_200n * second);
});

test("a step of the wall clock is followed once it is measured", () => {
  const { clock, now } = clocks();
  now.unix -= 3600n * second;
  assert.equal(clock.unixNs(now.boot), 1_795_687_200n * second);
  clock.measure();
  assert.equal(clock.unixNs(now.boot), 1_795_683_600n * second);
});

test("what came between two readings does not count, where others were close", () => {
  const pauses = [0n, 900_000n, 0n, 1_000n];
  let boot = 1000n * second;
  const clock = new BootClock({
    boottimeNs: () => (boot += pauses.shift() ?? 1_000n),
    unixNs: () => boot + 5n * second,
  });
  assert.ok(clock.unixNs(0n) > 5n * second - 2_000n);
});

test("what measuring costs is no step: times do not go back and forth", () => {
  const { clock, now } = clocks();
  now.unix += 15_000n;
  clock.measure();
  assert.equal(clock.unixNs(now.boot), 1_795_687_200n * second);
  now.unix += 6_000n;
  clock.measure();
  assert.equal(clock.unixNs(now.boot), 1_795_687_200n * second + 21_000n);
});
