import assert from "node:assert/strict";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import { poolOf, unfitOf, usedPatch } from "./crd.ts";

const allocation = (address: string, owner: string) => ({
  address: Address.parse(address),
  owner,
  expiresAtMs: undefined,
  expirationId: undefined,
  pool: "default",
});

test("a CiliumNode's addresses are read in order, and what is none is left out", () => {
  const pool = { "10.0.0.9": {}, "10.0.0.10": {}, "fd00::1": {}, "10.0.0.0/24": {}, "": {} };
  assert.deepEqual(poolOf({ metadata: { name: "n" }, spec: { ipam: { pool } } }).map(String), [
    "10.0.0.9/32",
    "10.0.0.10/32",
    "fd00::1/128",
  ]);
  assert.deepEqual(poolOf({ metadata: { name: "n" } }), []);
});

test("what no pod can have is left out, and told of", () => {
  const pool = { "10.0.0.9": {}, "127.0.0.1": {}, "172.18.0.2": {}, "224.0.0.1": {}, junk: {} };
  const addresses = [
    { type: "InternalIP", ip: "172.18.0.2" },
    { type: "CiliumInternalIP", ip: "10.0.0.9" },
  ];
  const node = { metadata: { name: "n" }, spec: { addresses, ipam: { pool } } };
  assert.deepEqual(poolOf(node).map(String), ["10.0.0.9/32"]);
  assert.deepEqual(unfitOf(node), ["127.0.0.1", "172.18.0.2", "224.0.0.1", "junk"]);
});

test("only what changed of who has which address is written", () => {
  const used = { "10.0.0.1": { owner: "router" }, "10.0.0.2": { owner: "ns/a" } };
  assert.equal(
    usedPatch(used, [allocation("10.0.0.1", "router"), allocation("10.0.0.2", "ns/a")]),
    undefined,
  );
  assert.deepEqual(
    usedPatch(used, [allocation("10.0.0.2", "ns/b"), allocation("10.0.0.3", "ns/c")]),
    { "10.0.0.1": null, "10.0.0.2": { owner: "ns/b" }, "10.0.0.3": { owner: "ns/c" } },
  );
});
