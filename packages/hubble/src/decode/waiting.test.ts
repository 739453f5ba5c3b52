// Events that come before the names of their rules.
import assert from "node:assert/strict";
import { test } from "node:test";
import { eventDirection, eventKind } from "@tsilium/datapath";
import { ether } from "@tsilium/net";
import type { Flow } from "../model.ts";
import { db, memoryOf, packetRecord, scene, web } from "./testing/world.ts";

const packet = ether({})
  .ipv4({ src: web.ipv4, dst: db.ipv4 })
  .tcp({ sport: 1, dport: 2, flags: ["SYN"] })
  .bytes();

function drop(rule: number): Uint8Array {
  const direction = eventDirection.ingress;
  return packetRecord(
    { kind: eventKind.drop, code: 133, rule, endpointId: db.id, direction },
    packet,
  );
}

const ref = { kind: "CiliumNetworkPolicy", namespace: "shop", name: "late" };

function waitingScene() {
  const clock = { nowMs: 0 };
  const asked: number[][] = [];
  const made = scene({
    nowMs: () => clock.nowMs,
    askRules: (numbers) => void asked.push([...numbers]),
  });
  return {
    ...made,
    clock,
    asked,
    released: () => {
      const out: Flow[] = [];
      made.decoder.release(out);
      return out.map(({ ingressDeniedBy: [policy] }) => policy?.name);
    },
  };
}

test("a drop by a rule that nobody has named waits, the rule is asked for once, and it goes out with the name", () => {
  const { flows, released, asked, enricher, decoder } = waitingScene();
  assert.deepEqual(flows(drop(40)), []);
  assert.deepEqual(flows(drop(41)), []);
  assert.deepEqual(flows(drop(40)), []);
  assert.equal(decoder.statistics.waiting, 3);
  assert.deepEqual([released(), released(), asked], [[], [], [[40, 41]]]);
  enricher.apply({ kind: "rule", number: 40, name: { kind: "rule", ref, path: "spec" } });
  assert.deepEqual(released(), ["late", "late"]);
  assert.equal(decoder.statistics.waiting, 1);
});

test("the others do not wait for it", () => {
  const { flows } = waitingScene();
  flows(drop(40));
  assert.equal(flows(drop(2)).length, 1);
});

test("after 300 ms it goes out with the rule's number, and is counted", () => {
  const { flows, released, clock, decoder } = waitingScene();
  flows(drop(40));
  clock.nowMs = 299;
  assert.deepEqual(released(), []);
  clock.nowMs = 300;
  assert.deepEqual(released(), ["rule 40"]);
  assert.deepEqual(decoder.statistics, { waiting: 0, undecodable: 0, unnamedRules: 1 });
});

test("what waits is a copy: the ring's memory may be written over", () => {
  const { decoder, released, clock } = waitingScene();
  const record = drop(40);
  const out: Flow[] = [];
  decoder.decode(memoryOf(record), 0, record.length, out);
  record.fill(0xff);
  clock.nowMs = 1000;
  assert.deepEqual(released(), ["rule 40"]);
});

test("a flood of them is told at once: memory is bounded", () => {
  const { flows, decoder } = waitingScene();
  const record = drop(40);
  const told = Array.from({ length: 9_000 }, () => flows(record).length);
  assert.equal(decoder.statistics.waiting, 8_192);
  assert.equal(told.filter(Boolean).length, 9_000 - 8_192);
});
