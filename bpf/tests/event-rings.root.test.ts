// Both rings as their one reader has them: in order of time, what was lost counted, by the maps or by their pins.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { encode } from "@tsilium/ebpf";
import { MNT_DETACH, mount, umount2 } from "@tsilium/syscall";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { headerLayout } from "../../packages/datapath/src/tables/event-layout.ts";
import { EventRings, openEventRings } from "../../packages/datapath/src/tables/event-rings.ts";
import { TestNode } from "./node.ts";
import { b, frame, fromA, nobody } from "./world.ts";

const perSecond = 5;
const node = new TestNode({}, { events_per_second: perSecond });
const rings = EventRings.of((name) => node.map(name));
after(() => {
  rings[Symbol.dispose]();
  node[Symbol.dispose]();
});

const spoofed = frame(4, [nobody, b]).tcp({ sport: 40000, dport: 80 }).bytes();
const honest = fromA(4, b).tcp({ sport: 40000, dport: 80 }).bytes();
const { traceLevel } = abi;

beforeEach(() => {
  node.reset();
  rings.drain(() => {});
  forgetCounts();
  node
    .map("tsi_runtime")
    .update(
      new Uint8Array(4),
      encode(abi.runtime, { epoch: 0, trace: traceLevel.sent, verdicts: 0, proxies: 0 }),
    );
});

/** Of the running second, and all others. */
function forgetCounts(): void {
  const map = node.map("tsi_event_rate");
  for (const [key, stored] of map.entries()) map.update(key, stored.fill(0));
}

function send(...packets: readonly Uint8Array[]): void {
  for (const packet of packets) node.try({ hook: "from_container", packet });
}

function take(from: EventRings, limit?: number): { kinds: number[]; times: bigint[] } {
  const taken = { kinds: [] as number[], times: [] as bigint[] };
  from.drain(({ view }, at) => {
    taken.kinds.push(view.getUint8(at + headerLayout.kind));
    taken.times.push(view.getBigUint64(at + headerLayout.timestampNs, true));
  }, limit);
  return taken;
}

const { drop, trace } = abi.eventKind;

test("events of both rings come in order of time", () => {
  send(honest, spoofed, honest, honest, spoofed, honest);
  const { kinds, times } = take(rings);
  assert.deepEqual(kinds, [trace, drop, trace, trace, drop, trace]);
  assert.deepEqual(times, times.toSorted());
  assert.deepEqual(take(rings).kinds, []);
});

test("a limit counts both rings' events; the rest is there for the next time", () => {
  send(spoofed, honest, honest, spoofed);
  assert.deepEqual(take(rings, 3).kinds, [drop, trace, trace]);
  assert.deepEqual(take(rings, 3).kinds, [drop]);
});

test("what could not be told is counted by class and CPU, and a flood of drops costs traces nothing", () => {
  send(...Array.from({ length: 30 }, () => spoofed), honest);
  const { kinds } = take(rings);
  const told = kinds.filter((kind) => kind === drop).length;
  assert.ok(told >= perSecond && told < 30, `${told}`);
  assert.deepEqual(totals(), {
    verdicts: { sent: BigInt(told), lost: BigInt(30 - told) },
    traces: { sent: 1n, lost: 0n },
  });
});

test("the rings open by their pins, without the datapath", () => {
  const bpffs = mkdtempSync(join(tmpdir(), "tsilium-rings-"));
  mount({ source: "bpf", target: bpffs, type: "bpf" });
  try {
    assert.throws(() => openEventRings({ bpffs }), { code: "not_running" });
    mkdirSync(join(bpffs, "maps"));
    for (const name of ["tsi_events", "tsi_traces", "tsi_event_rate"])
      node.map(name).pin(join(bpffs, "maps", `${name}_0123abcd`));
    send(spoofed, honest);
    using pinned = openEventRings({ bpffs });
    assert.equal(pinned.statistics().traces.pendingBytes, abi.event.size + 8);
    assert.deepEqual(take(pinned).kinds, [drop, trace]);
    assert.deepEqual(pinned.losses(), rings.losses());
    assert.equal(rings.statistics().traces.pendingBytes, 0);
  } finally {
    umount2(bpffs, MNT_DETACH);
    rmdirSync(bpffs);
  }
});

function totals() {
  const sums = { verdicts: { sent: 0n, lost: 0n }, traces: { sent: 0n, lost: 0n } };
  for (const losses of rings.losses()) {
    sums[losses.class].sent += losses.sent;
    sums[losses.class].lost += losses.lost;
  }
  return sums;
}
