import assert from "node:assert/strict";
import { test } from "node:test";
import { hubbleHealth } from "./health.ts";
import type { HubbleStatus } from "./model.ts";

const status: HubbleStatus = {
  synced: true,
  flows: 12_000,
  flowsPerSecond: 3.204,
  held: 4095,
  capacity: 4095,
  lostInKernel: 0,
  toldByKernel: 12_000,
  undecoded: 0,
  unnamedRules: 0,
  pendingBytes: 0,
  history: { flows: 12_000, bytes: 3 << 20, oldestMs: Date.UTC(2026, 10, 26), corrupt: 0, lost: 0 },
  listening: ["unix:///x"],
  clients: 1,
  metrics: [],
  problems: [],
};
const told = (change: Partial<HubbleStatus>) =>
  hubbleHealth({ down: undefined, restarts: 0, status: { ...status, ...change } });

test("it is told as cilium status tells it, with the history and what was lost", () => {
  assert.deepEqual(told({}), {
    state: "ok",
    message:
      "Current/Max Flows: 4095/4095 (100.00%), Flows/s: 3.20  Metrics: Disabled  History: 12000 flows, 3.0 MiB since 2026-11-26T00:00:00.000Z  Lost: 0",
  });
});

test("losses are a share of what there was to tell", () => {
  assert.match(told({ lostInKernel: 4000 }).message, /Lost: 4000 \(25\.00%\)$/);
});

test("problems come first, and the facts stay", () => {
  const { state, message } = told({ problems: ["no room on disk", "another"] });
  assert.equal(state, "degraded");
  assert.match(message, /^no room on disk and 1 more; Current\/Max/);
});

test("a worker that died harms no packets, and the agent is not failed for it", () => {
  const { state, message } = hubbleHealth({
    down: "out of memory",
    restarts: 1,
    status: undefined,
  });
  assert.equal(state, "degraded");
  assert.match(message, /out of memory/);
});
