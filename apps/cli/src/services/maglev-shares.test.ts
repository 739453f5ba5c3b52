import assert from "node:assert/strict";
import { test } from "node:test";
import type { BackendEntry } from "@tsilium/datapath/model.ts";
import { Address } from "@tsilium/net";
import { maglevShares } from "./maglev-shares.ts";

const backends: BackendEntry[] = [
  { id: 7, address: Address.parse("10.0.0.7"), port: 80, protocol: 17, state: "active" },
];

test("each backend's part of a table, also of one that is gone", () => {
  assert.deepEqual(maglevShares(3, Uint32Array.of(9, 7, 7, 7), backends), [
    { set: 3, backend: 7, address: "10.0.0.7:80/UDP", entries: 3, share: 0.75 },
    { set: 3, backend: 9, address: undefined, entries: 1, share: 0.25 },
  ]);
});

test("an empty table has no parts", () => {
  assert.deepEqual(maglevShares(3, [], backends), []);
});
