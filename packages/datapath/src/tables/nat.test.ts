import assert from "node:assert/strict";
import { test } from "node:test";
import { natDirection, natFlags } from "../gen/abi.ts";
import { isNatOver, partnerKey } from "./nat.ts";

const forward = {
  source: "pod",
  destination: "server",
  sourcePort: 4000,
  destinationPort: 443,
  protocol: 6,
  direction: natDirection.forward as number,
};
const ofForward = { address: "node", port: 40_000 };
const reverse = {
  source: "server",
  destination: "node",
  sourcePort: 443,
  destinationPort: 40_000,
  protocol: 6,
  direction: natDirection.reverse as number,
};
const ofReverse = { address: "pod", port: 4000 };

test("each half of a mapping leads to the other", () => {
  assert.deepEqual(partnerKey(forward, ofForward), reverse);
  assert.deepEqual(partnerKey(reverse, ofReverse), forward);
});

const open = 0;
const { closed, reset } = natFlags;
const nowNs = 100n;
const past = { expiresNs: 50n, flags: open };
const future = { expiresNs: 150n, flags: open };

for (const [sentence, entry, partner, over] of [
  ["both halves expired", past, past, true],
  ["one half expired while the other carries packets", past, future, false],
  ["neither half expired", future, future, false],
  [
    "one half expired and both closed",
    { ...past, flags: closed },
    { ...future, flags: closed },
    true,
  ],
  ["one half expired and only one closed", { ...past, flags: closed }, future, false],
  [
    "both closed and both still within their time",
    { ...future, flags: closed },
    { ...future, flags: closed },
    false,
  ],
  ["one half reset and expired", { ...past, flags: closed | reset }, future, true],
  ["the other half reset and expired", future, { ...past, flags: closed | reset }, true],
  ["one half reset within its time", { ...future, flags: closed | reset }, future, false],
  ["expired, the other half evicted", past, undefined, true],
  ["alive, the other half evicted", future, undefined, false],
] as const) {
  test(`a mapping with ${sentence} is ${over ? "over" : "kept"}`, () => {
    assert.equal(isNatOver(entry, partner, nowNs), over);
  });
}
