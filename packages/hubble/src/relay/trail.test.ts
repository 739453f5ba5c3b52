import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeFlowResponse, encodeFlowsResponse } from "../codec/index.ts";
import { LostEventSource } from "../model.ts";
import { testFlow } from "./testing/test-peer.ts";
import { Trail } from "./trail.ts";

const ms = 1_000_000n;
const message = (sequence: number) => {
  const flow = testFlow("node-1", sequence, BigInt(sequence) * ms);
  return { timeNs: flow.timeNs, bytes: encodeFlowResponse(flow) };
};

test("after a break flows are asked for since a moment before, and each is known that came already", () => {
  const trail = new Trail();
  for (let sequence = 1; sequence <= 1000; sequence++) trail.add(message(sequence));
  assert.equal(trail.resume(), 900n * ms);
  for (let sequence = 900; sequence <= 1000; sequence++) assert(trail.isKnown(message(sequence)));
  assert(!trail.isKnown(message(1001)));
  assert(!trail.isKnown({ ...message(1001), timeNs: 950n * ms }), "one that came late");
});

test("what is damaged, or has no uuid, is known by all of its bytes", () => {
  const trail = new Trail();
  const lost = { source: LostEventSource.unknown, count: 1, cpu: 0, firstNs: 0n, lastNs: ms };
  const whole = encodeFlowsResponse({ lost, nodeName: "node-1", timeNs: ms });
  const torn = message(1).bytes.with(2, 0xff);
  for (const bytes of [whole, torn]) trail.add({ timeNs: ms, bytes });
  trail.resume();
  for (const bytes of [whole, torn]) assert(trail.isKnown({ timeNs: ms, bytes }));
  assert(!trail.isKnown({ timeNs: ms, bytes: torn.with(3, 0xfe) }));
});
