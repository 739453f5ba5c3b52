import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { encodeFlowResponse } from "../codec/index.ts";
import { testFlow } from "./testing/test-peer.ts";
import { Trail } from "./trail.ts";

const ms = 1_000_000n;
const message = (sequence: number, timeNs: bigint) => ({
  timeNs,
  bytes: encodeFlowResponse(testFlow("node-1", sequence, timeNs)),
});

test("a stream is gone on with a moment before its end, without what came already", () => {
  const trail = new Trail();
  assert.ok(trail.isEmpty);
  for (let i = 0; i < 1000; i++) trail.add(message(i, BigInt(i) * ms));
  // 256 flows are kept, of which the last 100 ms are asked for again.
  assert.equal(trail.resume(), 899n * ms);
  assert.ok(trail.isKnown(message(900, 900n * ms)));
  assert.ok(trail.isKnown(message(999, 999n * ms)));
  assert.ok(!trail.isKnown(message(2000, 999n * ms)), "one of the same time that is new");
  assert.ok(!trail.isKnown(message(1000, 1000n * ms)));
  assert.ok(!trail.isKnown(message(1001, 1200n * ms)));
});

test("what a few flows reach back to is not exceeded", () => {
  const trail = new Trail();
  trail.add(message(1, 990n * ms));
  trail.add(message(2, 1000n * ms));
  assert.equal(trail.resume(), 990n * ms);
});

test("no bytes of a peer stand in the way of asking it again", () => {
  const trail = new Trail();
  for (let i = 0; i < 256; i++) {
    const inner = randomBytes(i % 40);
    // A response whose flow is anything.
    trail.add({
      timeNs: BigInt(i),
      bytes: Buffer.concat([Buffer.from([10, inner.length]), inner]),
    });
  }
  assert.equal(trail.resume(), 0n);
  assert.equal(trail.isKnown({ timeNs: 1n, bytes: Buffer.from([10, 1, 0xff]) }), false);
});
