import assert from "node:assert/strict";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";
import {
  decodeSocket,
  encodeSocketFilter,
  encodeSocketId,
  type SocketId,
} from "./sock-diag-codec.ts";

test("a dump asks for a family, a protocol and states", () => {
  const bytes = encodeSocketFilter({ family: 6, protocol: 17, states: ["established", "close"] });
  assert.equal(bytes.length, 56);
  assert.equal(Buffer.from(bytes.subarray(0, 8)).toString("hex"), "0a11000082000000");
  assert.ok(bytes.subarray(8).every((byte) => byte === 0));
});

test("a socket's name reads back as the kernel tells it", () => {
  repeat({ runs: 200 }, (random) => {
    const family = random.chance(0.5) ? 4 : 6;
    const address = () => Address.fromBytes(random.bytes(family === 4 ? 4 : 16));
    const id: SocketId = {
      family,
      protocol: 17,
      source: address(),
      sourcePort: random.below(65536),
      destination: address(),
      destinationPort: random.below(65536),
      device: random.below(1 << 30),
      cookie: new DataView(random.bytes(8).buffer).getBigUint64(0),
    };
    // struct inet_diag_msg: family, state, timer, retransmissions; the same name; expiry, queues, uid, inode.
    const message = new Uint8Array(72);
    message[0] = family === 4 ? 2 : 10;
    message[1] = 1;
    message.set(encodeSocketId(id).subarray(8), 4);
    new DataView(message.buffer).setUint32(64, 1000, true);
    assert.deepEqual(decodeSocket(message, 17), { ...id, state: "established", uid: 1000 });
  });
});

test("foreign bytes are no socket", () => {
  repeat({ runs: 500 }, (random) => {
    const bytes = random.bytes(random.below(100));
    const socket = decodeSocket(bytes, 6);
    assert.ok(socket === undefined || bytes.length >= 72);
  });
});
