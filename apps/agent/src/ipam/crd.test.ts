import assert from "node:assert/strict";
import { test } from "node:test";
import { Address } from "@tsilium/net";
import { poolOf, usedPatch } from "./crd.ts";

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
