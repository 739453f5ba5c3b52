import assert from "node:assert/strict";
import { test } from "node:test";
import { ChannelFrameError, encodeFrame, FrameReader } from "./channel-frames.ts";
import type { ChannelMessage } from "./channels.ts";

const messages: readonly ChannelMessage[] = [
  { channel: 0, bytes: Buffer.from("in"), end: false },
  { channel: 3, bytes: Buffer.alloc(0), end: true },
  { channel: 1, bytes: Buffer.alloc(5000, 7), end: false },
];
const plain = (list: readonly ChannelMessage[]) =>
  list.map(({ channel, bytes, end }) => [channel, Buffer.from(bytes).toString("hex"), end]);

test("frames come back, however they are cut", () => {
  const bytes = Buffer.concat(messages.map(encodeFrame));
  for (const size of [1, 2, 7, 1000, bytes.length]) {
    const reader = new FrameReader();
    const found: ChannelMessage[] = [];
    for (let at = 0; at < bytes.length; at += size)
      found.push(...reader.push(bytes.subarray(at, at + size)));
    assert.deepEqual(plain(found), plain(messages));
  }
});

for (const [what, bytes] of [
  ["longer than it may be", [1, 0, 255, 255, 255, 255]],
  ["with flags that mean nothing", [1, 2, 0, 0, 0, 0]],
] as const) {
  test(`a frame ${what} is an error`, () => {
    assert.throws(() => [...new FrameReader().push(Buffer.from(bytes))], ChannelFrameError);
  });
}

test("bytes of chance are frames, wait for more, or are an error of ours", () => {
  let seed = 3;
  const random = () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) >>> 8;
  for (let round = 0; round < 2000; round++) {
    const bytes = Buffer.from(Array.from({ length: random() % 40 }, () => random() % 256));
    try {
      for (const { bytes: payload } of new FrameReader().push(bytes))
        assert.ok(payload.length <= bytes.length);
    } catch (error) {
      assert.ok(error instanceof ChannelFrameError);
    }
  }
});
