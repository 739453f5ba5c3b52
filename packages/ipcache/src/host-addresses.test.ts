import assert from "node:assert/strict";
import { test } from "node:test";
import { HostAddresses } from "./host-addresses.ts";

test("one text is one object, and what is no address is none", () => {
  const addresses = new HostAddresses();
  const first = addresses.of("172.18.0.2");
  assert.equal(first?.toString(), "172.18.0.2");
  assert.equal(addresses.of("172.18.0.2"), first);
  assert.equal(addresses.of("fc00::2")?.toString(), "fc00::2");
  assert.equal(addresses.of("node-2"), undefined);
});

test("of more nodes than any cluster has, the latest are known", () => {
  const addresses = new HostAddresses();
  const first = addresses.of("10.0.0.0");
  for (let at = 0; at < 10_001; at++) addresses.of(`10.1.${at >> 8}.${at & 255}`);
  const again = addresses.of("10.0.0.0");
  assert.notEqual(again, first);
  assert.equal(again?.toString(), "10.0.0.0");
});
