import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { frame, FrameReader } from "./frames.ts";

test("messages come out of a stream as they went in, however it is cut", () => {
  repeat({ runs: 300 }, (random) => {
    const messages = Array.from({ length: random.below(6) }, () =>
      Buffer.from(random.bytes(random.pick([0, 1, 2, 30, 300]))),
    );
    const stream = Buffer.concat(messages.map(frame));
    const reader = new FrameReader();
    const got: Buffer[] = [];
    for (let at = 0; at < stream.length;) {
      const size = random.pick([1, 2, 3, 50, 1_000]);
      got.push(...(reader.push(stream.subarray(at, at + size)) ?? assert.fail()));
      at += size;
    }
    assert.deepEqual(got, messages);
  });
});

test("a message beyond the limit ends the stream, as soon as its length is known", () => {
  const reader = new FrameReader(10);
  assert.deepEqual(reader.push(Buffer.from([0, 1, 7, 0])), [Buffer.from([7])]);
  assert.equal(reader.push(Buffer.from([11])), undefined);
});

test("what is too long for a frame is refused", () => {
  assert.equal(frame(Buffer.alloc(65_535)).length, 65_537);
  assert.throws(() => frame(Buffer.alloc(65_536)), RangeError);
});
