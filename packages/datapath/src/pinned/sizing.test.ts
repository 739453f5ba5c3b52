import assert from "node:assert/strict";
import { test } from "node:test";
import type { DatapathConfig } from "../model.ts";
import { plainServices } from "../testing/service-config.ts";
import { pressure, sizesFor, tableSizes } from "./sizing.ts";

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

test("services have what is configured, slots twice as many; what programs remember follows conntrack", () => {
  const config = { conntrackMax: 40_960, natMax: undefined, policyMax: undefined };
  const sized = (mapMax: number | undefined) =>
    sizesFor({ ...config, services: { ...plainServices, mapMax } } as DatapathConfig);
  assert.deepEqual(sized(65_536), {
    conntrackMax: 40_960,
    youngMax: 10_240,
    natMax: 27_306,
    policyMax: undefined,
    serviceMax: 65_536,
    serviceSlotMax: 131_072,
    serviceFlowMax: 40_960,
    affinityMax: 10_240,
    socketMax: 40_960,
  });
  assert.equal(sized(undefined).serviceMax, undefined, "the header says");
  assert.equal(sized(undefined).serviceSlotMax, undefined);
});
