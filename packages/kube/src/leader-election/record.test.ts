import assert from "node:assert/strict";
import { test } from "node:test";
import type { Lease } from "../types/core.ts";
import { elapsedClock } from "./elapsed.ts";
import { claimed, heldForMs, observe, recordOf, released } from "./record.ts";

const lease = (resourceVersion: string, spec: Lease["spec"] = {}): Lease => ({
  metadata: { name: "l", uid: "u", resourceVersion },
  spec,
});
const date = new Date("2026-01-02T03:04:05.678Z");
const a = { identity: "a", leaseDurationMs: 15_000, date };

test("a Lease is held for its duration from when it was seen to change, by the observer's clock", () => {
  const first = observe(undefined, lease("1", claimed(undefined, a)), 100);
  const again = observe(first, lease("1", claimed(undefined, a)), 9_000);
  assert.equal(heldForMs(again, 9_000, 1), 6_100);
  const renewed = observe(again, lease("2", claimed(undefined, a)), 10_000);
  assert.equal(heldForMs(renewed, 10_000, 1), 15_000);
  assert.equal(heldForMs(renewed, 25_000, 1), 0);
});

test("times in a Lease decide nothing: its holder's clock may be years off", () => {
  const spec = { ...claimed(undefined, a), renewTime: "1999-01-01T00:00:00.000000Z" };
  assert.equal(heldForMs(observe(undefined, lease("1", spec), 0), 1_000, 1), 14_000);
});

test("a Lease that was deleted and made again with the same version counts anew", () => {
  const before = observe(undefined, lease("1", claimed(undefined, a)), 0);
  const other = {
    ...lease("1", claimed(undefined, a)),
    metadata: { uid: "v", resourceVersion: "1" },
  };
  assert.equal(observe(before, other, 5_000).changedAtMs, 5_000);
});

test("what nobody holds may be taken at once; nonsense for a duration is the observer's own", () => {
  assert.equal(heldForMs(observe(undefined, lease("1", released({}, date)), 0), 0, 15_000), 0);
  for (const leaseDurationSeconds of [0, -5, Number.NaN, "9" as unknown as number])
    assert.equal(recordOf(lease("1", { leaseDurationSeconds }), 7).leaseDurationMs, 7);
});

test("transitions count changes of hands, not renewals and not the first holder", () => {
  const first = claimed(undefined, a);
  assert.equal(first.leaseTransitions, 0);
  assert.equal(first.acquireTime, "2026-01-02T03:04:05.678000Z");
  const later = new Date("2026-01-02T03:05:00.000Z");
  const renewed = claimed(first, { ...a, date: later });
  assert.equal(renewed.leaseTransitions, 0);
  assert.equal(renewed.acquireTime, first.acquireTime);
  assert.equal(renewed.renewTime, "2026-01-02T03:05:00.000000Z");
  const next = claimed(renewed, { ...a, identity: "b", date: later });
  assert.equal(next.leaseTransitions, 1);
  assert.equal(next.acquireTime, "2026-01-02T03:05:00.000000Z");
  assert.equal(claimed(released(next, later), a).leaseTransitions, 2);
});

test("time goes on over a machine's sleep and a clock set ahead, never back, and not by rounding", () => {
  let monotonic = 0;
  let wall = 1_000_000;
  const clock = elapsedClock(
    () => monotonic,
    () => Math.floor(wall),
  );
  const start = clock();
  for (let step = 0; step < 10_000; step++) {
    monotonic += 0.1;
    wall += 0.1;
    clock();
  }
  assert.ok(Math.abs(clock() - start - 1_000) < 2);
  wall += 60_000;
  assert.ok(Math.abs(clock() - start - 61_000) < 2);
  wall -= 3_600_000;
  assert.ok(Math.abs(clock() - start - 61_000) < 2);
  wall += 20_000;
  assert.ok(Math.abs(clock() - start - 81_000) < 2);
});
