import assert from "node:assert/strict";
import { test } from "node:test";
import { DatapathError } from "@tsilium/datapath";
import { createLog } from "@tsilium/runtime";
import { TableGrowth } from "./growth.ts";

const log = createLog({ level: "silent", base: {} });
const full = new DatapathError("map_full", "tsi_lb_slot has no room");

/** Tables of which the slots are as full as said. */
function setUp(slots: number, grow: (mapMax: number) => boolean) {
  const asked: number[] = [];
  const growth = new TableGrowth({
    usage: () => [
      { map: "tsi_lb_skip", entries: 10, maxEntries: 64 },
      { map: "tsi_lb_slot", entries: slots, maxEntries: 2000 },
    ],
    grow: (mapMax) => {
      asked.push(mapMax);
      return grow(mapMax);
    },
    log,
  });
  return { growth, asked };
}

test("a full table gets twice the room, as bpf-lb-map-max counts it", () => {
  const { growth, asked } = setUp(2000, () => true);
  assert.equal(growth.onError(full), true);
  assert.equal(growth.onError(new Error("EPERM")), false);
  assert.deepEqual(asked, [2000]);
});

test("a table is made larger before it is full", () => {
  const { growth, asked } = setUp(1801, () => true);
  growth.beforehand();
  const roomy = setUp(1799, () => true);
  roomy.growth.beforehand();
  assert.deepEqual([asked, roomy.asked], [[2000], []]);
});

test("what could not be made larger is not tried again with every change", () => {
  const fails = setUp(2000, () => {
    throw new Error("no memory");
  });
  const isAtItsEnd = setUp(2000, () => false);
  for (const { growth, asked } of [fails, isAtItsEnd]) {
    assert.deepEqual([growth.onError(full), growth.onError(full)], [false, false]);
    assert.equal(asked.length, 1);
  }
});
