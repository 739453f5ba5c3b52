import assert from "node:assert/strict";
import { test } from "node:test";
import { pressure, tableSizes } from "./sizing.ts";

const gibibyte = 1024 ** 3;

test("a small machine gets the smallest tables, a huge one Cilium's largest", () => {
  assert.deepEqual(tableSizes(gibibyte / 4), { conntrackMax: 16_384, natMax: 16_384 });
  assert.deepEqual(tableSizes(1024 * gibibyte), { conntrackMax: 524_288, natMax: 349_184 });
});

test("tables grow with memory, and NAT has two thirds of conntrack", () => {
  const sizes = tableSizes(24 * gibibyte);
  assert.deepEqual(sizes, { conntrackMax: 100_352, natMax: 66_560 });
});

test("pressure is the used share, and an empty table of no size has none", () => {
  assert.equal(pressure(50, 200), 0.25);
  assert.equal(pressure(0, 0), 0);
});
