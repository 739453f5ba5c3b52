import assert from "node:assert/strict";
import { test } from "node:test";
import {
  array,
  be16,
  be32,
  bool,
  bytes,
  decode,
  encode,
  i32,
  offsetOf,
  struct,
  u16,
  u64,
  u8,
  type Codec,
} from "./codec.ts";

type Flow = {
  address: number;
  port: number;
  mac: Uint8Array;
  hits: bigint;
  marks: readonly number[];
};
const flow: Codec<Flow> = struct(28, {
  address: { at: 0, codec: be32 },
  port: { at: 4, codec: be16 },
  mac: { at: 6, codec: bytes(6) },
  hits: { at: 16, codec: u64 },
  marks: { at: 24, codec: array(u16, 2) },
});

test("a struct's bytes are what C would have laid out", () => {
  const encoded = encode(flow, {
    address: 0x0a000001,
    port: 80,
    mac: new Uint8Array([2, 0, 0, 0, 0, 1]),
    hits: 0x0102n,
    marks: [1, 2],
  });
  assert.equal(
    Buffer.from(encoded).toString("hex"),
    "0a00000100500200000000010000000002010000000000000100" + "0200",
  );
});

test("reading gives back what was written", () => {
  const value = {
    address: 0xffffffff,
    port: 65535,
    mac: new Uint8Array(6),
    hits: 2n ** 64n - 1n,
    marks: [9, 8],
  };
  assert.deepEqual(decode(flow, encode(flow, value)), value);
});

test("bytes are copies: the source may be reused", () => {
  const source = new Uint8Array([1, 2]);
  const read = decode(bytes(2), source);
  source.fill(0);
  assert.deepEqual([...read], [1, 2]);
});

test("decoding finds its place within a larger buffer", () => {
  const buffer = new Uint8Array([9, 9, 9, 1, 0, 0, 0]);
  assert.equal(decode(i32, buffer.subarray(3)), 1);
});

test("too few bytes, wrong lengths are refused", () => {
  assert.throws(() => decode(u64, new Uint8Array(7)), RangeError);
  assert.throws(() => encode(bytes(4), new Uint8Array(5)), /5 bytes where 4 belong/);
  assert.throws(() => encode(array(u8, 2), [1]), /1 values, not 2/);
});

test("any non-zero byte is true", () => assert.equal(decode(bool, new Uint8Array([2])), true));

test("a struct's codec says where its fields lie", () => {
  assert.equal(offsetOf(flow, "mac"), 6);
  assert.throws(() => offsetOf(u64 as Codec<unknown> as Codec<{ mac: number }>, "mac"), RangeError);
});
