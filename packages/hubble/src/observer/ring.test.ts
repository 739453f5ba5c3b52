// The ring, the log of losses, namespaces and the rate, on their own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { emptyFlow, type Flow, unknownEndpoint } from "../model.ts";
import { EncodedFlows } from "./encoded.ts";
import { LossLog } from "./losses.ts";
import { Namespaces } from "./namespaces.ts";
import { FlowRate } from "./rate.ts";
import { FlowRing } from "./ring.ts";

const flowOf = (sequence: number): Flow => ({ ...emptyFlow, sequence });

test("a ring holds the newest flows in order, at any fill", () => {
  repeat({ runs: 50 }, (random) => {
    const ring = new FlowRing(random.pick([1, 3, 7, 31]));
    const pushed: Flow[] = [];
    for (let sequence = 1; sequence <= random.below(80); sequence++) {
      const flow = flowOf(sequence);
      ring.push(flow);
      pushed.push(flow);
      assert.deepEqual(ring.toArray(), pushed.slice(-ring.capacity));
      assert.equal(ring.size, Math.min(pushed.length, ring.capacity));
      assert.equal(ring.newest, flow);
    }
  });
});

test("a flow's bytes are not another's, whatever sequences are left out", () => {
  repeat({ runs: 20 }, (random) => {
    const encoded = new EncodedFlows();
    const flows: Flow[] = [];
    let sequence = 0;
    for (let count = 0; count < 300; count++) {
      const flow = flowOf((sequence += 1 + random.below(50)));
      flows.push(flow);
      const any = random.pick([flow, random.pick(flows), { ...random.pick(flows) }]);
      const encode = ({ sequence: own }: Flow) => Uint8Array.of(own >> 8, own & 255);
      assert.deepEqual(encoded.get(any, encode), encode(any));
    }
  });
});

test("flows are encoded once for all clients; old ones take no new one's place", () => {
  const encoded = new EncodedFlows();
  let times = 0;
  const encode = () => (times++, new Uint8Array());
  const flows = Array.from({ length: 5_000 }, (_, index) => flowOf(index + 1));
  for (const flow of flows) for (let client = 0; client < 3; client++) encoded.get(flow, encode);
  assert.equal(times, 5_000);
  for (const flow of flows) encoded.get(flow, encode);
  assert.equal(times, 5_000 + (5_000 - 4_096));
});

test("losses at one place are one, of one source and CPU; their log is bounded, their totals are not", () => {
  const log = new LossLog();
  const lost = (count: number, cpu: number | undefined) => ({
    source: 1,
    count,
    cpu,
    firstNs: BigInt(count),
    lastNs: BigInt(count),
  });
  log.add(lost(1, 0), 5);
  log.add(lost(2, 0), 5);
  log.add(lost(4, 1), 5);
  log.add(lost(8, 1), 6);
  assert.deepEqual(
    log
      .toArray()
      .map(({ after, event }) => [after, event.count, event.cpu, event.firstNs, event.lastNs]),
    [
      [5, 3, 0, 1n, 2n],
      [5, 4, 1, 4n, 4n],
      [6, 8, 1, 8n, 8n],
    ],
  );
  for (let after = 7; after < 10_000; after++) log.add(lost(1, 0), after);
  assert.equal(log.toArray().length, 1_023);
  assert.equal(log.toArray().at(-1)?.after, 9_999);
  assert.deepEqual([...log.totals], [[1, 15 + 9_993]]);
});

test("namespaces are told for an hour after their last flow, each once", () => {
  const namespaces = new Namespaces();
  const hour = 3_600_000_000_000n;
  const see = (clusterName: string, namespace: string, nowNs: bigint) =>
    namespaces.see({ ...unknownEndpoint, clusterName, namespace }, nowNs);
  see("default", "b", 0n);
  see("default", "b", 1n);
  see("default", "a", 1n);
  see("alpha", "z", 2n);
  see("default", "", 2n);
  const names = (nowNs: bigint) =>
    namespaces.list(nowNs).map(({ cluster, namespace }) => `${cluster}/${namespace}`);
  assert.deepEqual(names(3n), ["alpha/z", "default/a", "default/b"]);
  see("default", "a", hour);
  assert.deepEqual(names(hour + 2n), ["alpha/z", "default/a"]);
  assert.deepEqual(names(hour + 3n), ["default/a"]);
  for (let index = 0; index < 10_050; index++) see("default", `n${index}`, hour + 4n);
  assert.ok(names(hour + 5n).length <= 10_000);
});

test("an endpoint that is seen again is not forgotten", () => {
  const namespaces = new Namespaces();
  const endpoint = { ...unknownEndpoint, namespace: "a" };
  for (let minute = 0n; minute < 180n; minute++) namespaces.see(endpoint, minute * 60_000_000_000n);
  assert.deepEqual(namespaces.list(180n * 60_000_000_000n), [{ cluster: "", namespace: "a" }]);
});

test("the rate is over the last minute, or what there is of it", () => {
  const rate = new FlowRate(10_000);
  assert.equal(rate.perSecond(10_000), 0);
  rate.add(100, 10_500);
  assert.equal(rate.perSecond(12_000), 50);
  rate.add(500, 60_000);
  assert.equal(rate.perSecond(69_000), 600 / 59);
  // The first hundred are over.
  assert.equal(rate.perSecond(70_000), 500 / 60);
  assert.equal(rate.perSecond(1_000_000), 0);
  // A clock that goes back.
  rate.add(60, 5_000);
  assert.equal(rate.perSecond(1_000_000), 1);
});
