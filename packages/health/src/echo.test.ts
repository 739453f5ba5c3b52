import assert from "node:assert/strict";
import { test } from "node:test";
import { internetChecksum } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";
import { decodeEchoReply, encodeEcho } from "./echo.ts";

const echo = { identifier: 0xabcd, sequence: 2 };

/** What the kernel hands over when somebody answers the request. */
function replyTo(family: 4 | 6, request: Uint8Array, headerLength = 20): Uint8Array {
  const message = request.slice();
  message[0] = family === 4 ? 0 : 129;
  if (family === 6) return message;
  const packet = new Uint8Array(headerLength + message.length);
  packet[0] = 0x40 | (headerLength / 4);
  packet.set(message, headerLength);
  return packet;
}

test("a request is an echo request with a checksum that adds up", () => {
  const request = encodeEcho(4, echo);
  assert.equal(Buffer.from(request).toString("latin1", 8), "tsilium health");
  assert.equal(Buffer.from(request).toString("hex", 0, 2), "0800");
  assert.equal(Buffer.from(request).toString("hex", 4, 8), "abcd0002");
  assert.equal(internetChecksum(request), 0);
  assert.equal(encodeEcho(6, echo)[0], 128);
});

test("its answer is recognised, with IP options too", () => {
  for (const family of [4, 6] as const)
    assert.deepEqual(decodeEchoReply(family, replyTo(family, encodeEcho(family, echo))), echo);
  assert.deepEqual(decodeEchoReply(4, replyTo(4, encodeEcho(4, echo), 60)), echo);
});

test("nothing else is: another's ping, a request, an error, what is cut off, noise", () => {
  for (const family of [4, 6] as const) {
    const reply = replyTo(family, encodeEcho(family, echo));
    const start = family === 4 ? 20 : 0;
    for (const at of [start, start + 1, start + 8, reply.length - 1]) {
      const changed = reply.slice();
      changed[at] = (changed[at] as number) ^ 0x55;
      assert.equal(decodeEchoReply(family, changed), undefined, `byte ${at} of IPv${family}`);
    }
    for (let length = 0; length < reply.length; length++)
      assert.equal(decodeEchoReply(family, reply.subarray(0, length)), undefined);
  }
  repeat({ runs: 500 }, (random) => {
    const noise = Uint8Array.from({ length: random.below(90) }, () => random.below(256));
    for (const family of [4, 6] as const) assert.equal(decodeEchoReply(family, noise), undefined);
  });
});
