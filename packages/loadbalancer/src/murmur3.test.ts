// MurmurHash3_x86_32 against values published for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { murmur3 } from "./murmur3.ts";

const text = (value: string) => new TextEncoder().encode(value);
const hex = (value: string) => Uint8Array.from(Buffer.from(value, "hex"));

const cases: readonly (readonly [Uint8Array, number, number])[] = [
  [hex(""), 0, 0],
  [hex(""), 1, 0x514e28b7],
  [hex(""), 0xffffffff, 0x81f16f39],
  [hex("ffffffff"), 0, 0x76293b50],
  [hex("21436587"), 0, 0xf55b516b],
  [hex("21436587"), 0x5082edee, 0x2362f9de],
  [hex("214365"), 0, 0x7e4a8634],
  [hex("2143"), 0, 0xa0f7b07a],
  [hex("21"), 0, 0x72661cf4],
  [hex("000000"), 0, 0x85f0b427],
  [text("Hello, world!"), 0x9747b28c, 0x24884cba],
  [text("The quick brown fox jumps over the lazy dog"), 0x9747b28c, 0x2fa826cd],
];

test("hashes are the published ones", () => {
  for (const [bytes, seed, hash] of cases)
    assert.equal(murmur3(bytes, seed).toString(16), hash.toString(16));
});
