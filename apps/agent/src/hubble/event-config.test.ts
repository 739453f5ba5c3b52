import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig } from "../config/load.ts";
import { eventConfig, hubbleTraceLevel } from "./event-config.ts";

const read = (...args: string[]) => loadConfig(args, {}).values;

for (const [word, level] of [
  ["none", "all"],
  ["disabled", "all"],
  ["lowest", "sent"],
  ["low", "sent"],
  ["medium", "connections"],
  ["max", "connections"],
  ["maximum", "connections"],
] as const)
  test(`monitor-aggregation ${word} has programs tell at level ${level}`, () => {
    assert.equal(hubbleTraceLevel(read(`--monitor-aggregation=${word}`)), level);
  });

test("without Hubble programs are asked for nothing", () => {
  assert.equal(
    hubbleTraceLevel(read("--enable-hubble=false", "--monitor-aggregation=none")),
    "off",
  );
});

test("flags become bits of a TCP header, and a rate holds for both kinds of events", () => {
  assert.deepEqual(eventConfig(read()), {
    verdictsPerSecond: 10_000,
    tracesPerSecond: 100_000,
    traceFlags: 0x07,
    traceIntervalMs: 5000,
  });
  assert.deepEqual(
    eventConfig(
      read(
        "--monitor-aggregation-flags=syn,ack",
        "--monitor-aggregation-interval=10s",
        "--bpf-events-default-rate-limit=77",
      ),
    ),
    { verdictsPerSecond: 77, tracesPerSecond: 77, traceFlags: 0x12, traceIntervalMs: 10_000 },
  );
});
