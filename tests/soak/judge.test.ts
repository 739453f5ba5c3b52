import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fault } from "./faults.ts";
import { gapsOf } from "./flow.ts";
import { type Growth, growthComplaints, growths, heldComplaints, losses } from "./judge.ts";
import type { HeldResult, TrafficResult } from "./traffic.ts";

test("a gap is what never arrived: packets that came late end it, or split it", () => {
  const output =
    "connected\ngap 5 9 100 200\nlate 7\ngap 20 20 300 400\nlate 20\ngap 30 31 500 600\n";
  const times = { afterNs: 100n, beforeNs: 200n };
  assert.deepEqual(gapsOf(output), [
    { first: 5, count: 2, ...times },
    { first: 8, count: 2, ...times },
    { first: 30, count: 2, afterNs: 500n, beforeNs: 600n },
  ]);
});

const gap = { first: 3, count: 2, afterNs: 12_000_000n, beforeNs: 16_000_000n };

function fault(facts: Partial<Fault>): Fault {
  const times = { from: new Date(), fromNs: 10_000_000n, toNs: 20_000_000n };
  return { kind: "some", processes: [], relaidOut: [], ...times, ...facts };
}

for (const [sentence, protocol, faults, isExcused] of [
  [
    "UDP during a change of layout on its way is excused",
    "udp",
    [fault({ relaidOut: ["node-2"] })],
    true,
  ],
  ["of another node, it is not", "udp", [fault({ relaidOut: ["node-3"] })], false],
  ["before it, it is not", "udp", [fault({ relaidOut: ["node-2"], fromNs: 17_000_000n })], false],
  ["during any other fault, it is not", "udp", [fault({ processes: ["agent/node-2"] })], false],
  ["TCP never is", "tcp", [fault({ relaidOut: ["node-2"] })], false],
] as const)
  test(`a lost packet: ${sentence}`, () => {
    const flow = { who: "it", protocol, nodes: ["node-1", "node-2"], sent: 9, arrived: 7, lost: 2 };
    const traffic = { flows: [{ ...flow, gaps: [gap] }], allowedKnocks: [] };
    const [loss] = losses(traffic as unknown as TrafficResult, { begunNs: 0n, faults });
    assert.deepEqual([loss?.isExcused, loss?.count, loss?.atMs], [isExcused, 2, 12]);
  });

for (const [sentence, missing, faults, complaints] of [
  ["one that is under way at the end is none", 1, [], 0],
  [
    "during a change of layout on its way, they are excused",
    3,
    [fault({ relaidOut: ["node-2"] })],
    0,
  ],
  ["but no more than went unanswered then", 5, [fault({ relaidOut: ["node-2"] })], 1],
  ["during any other fault, they are not", 3, [fault({ processes: ["agent/node-2"] })], 1],
] as const)
  test(`UDP answers that did not come: ${sentence}`, () => {
    const unansweredNs = [12_000_000n, 14_000_000n, 16_000_000n];
    const flow = { broken: false, moves: 0, reopened: 0, requests: 9, answers: 9 - missing };
    const held = [{ who: "it", nodes: ["node-1", "node-2"], flows: [{ ...flow, unansweredNs }] }];
    assert.equal(heldComplaints(held as unknown as HeldResult[], faults).length, complaints);
  });

test("first packets that arrive less often than they were sent are lost, wherever they stood", () => {
  const knock = { who: "it", nodes: ["node-1", "node-2"], sent: 10, arrived: 7, gaps: [gap] };
  const traffic = { flows: [], allowedKnocks: [knock] };
  const found = losses(traffic as unknown as TrafficResult, { begunNs: 0n, faults: [] });
  assert.deepEqual(
    found.map(({ count, isExcused }) => [count, isExcused]),
    [
      [2, false],
      [1, false],
    ],
  );
});

function life(memory: readonly number[]): Growth[] {
  const samples = memory.map((rssKiB, at) => {
    const ms = at * 60_000;
    return { atMs: ms, ageMs: ms, process: "agent", pid: 1, rssKiB, descriptors: 100 };
  });
  return growths(samples, 60_000);
}

test("memory that grows from minute to minute is complained about; a warm-up, and noise, are not", () => {
  const steady = [100, 200, 204, 199, 203, 200, 204].map((mib) => mib * 1024);
  assert.deepEqual(growthComplaints(life(steady)), []);
  const growing = [100, 200, 210, 220, 230, 240, 250].map((mib) => mib * 1024);
  assert.equal(growthComplaints(life(growing)).length, 1);
});
