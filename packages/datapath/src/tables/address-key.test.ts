import assert from "node:assert/strict";
import { test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import {
  fromIpv4Number,
  fromMappedBytes,
  fromPrefixKey,
  ipv4Number,
  mappedBytes,
  prefixKey,
} from "./address-key.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

test("an IPv4 address is keyed in its mapped form, an IPv6 address as it is", () => {
  assert.equal(hex(mappedBytes(Address.parse("10.244.0.7"))), "00000000000000000000ffff0af40007");
  assert.equal(hex(mappedBytes(Address.parse("fd00::7"))), "fd000000000000000000000000000007");
  assert.equal(hex(mappedBytes(undefined)), "0".repeat(32));
});

test("keys read back as the addresses they were made from", () => {
  for (const text of ["10.244.0.7", "fd00::7", "0.0.0.0", "255.255.255.255"]) {
    assert.equal(String(fromMappedBytes(mappedBytes(Address.parse(text)))), text);
  }
  assert.equal(fromMappedBytes(new Uint8Array(16)), undefined);
});

test("prefixes of both families share one trie and read back", () => {
  assert.equal(prefixKey(Prefix.parse("10.244.0.0/24")).prefixlen, 120);
  for (const text of [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.244.0.7/32",
    "::/0",
    "fd00::/64",
    "fd00::7/128",
  ]) {
    assert.equal(String(fromPrefixKey(prefixKey(Prefix.parse(text)))), text);
  }
});

test("an IPv4 address is a number in a network-order field", () => {
  assert.equal(ipv4Number(Address.parse("192.168.0.1")), 0xc0a80001);
  assert.equal(String(fromIpv4Number(0xc0a80001)), "192.168.0.1");
  assert.equal(fromIpv4Number(ipv4Number(undefined)), undefined);
});
