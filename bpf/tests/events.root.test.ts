// What user space is told: every drop with its packet, traces when asked for, and how much was not told.
import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { codecs, decode, encode, RingBuffer } from "@tsilium/ebpf";
import { formatPacket, parsePacket } from "@tsilium/net";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { TestNode } from "./node.ts";
import { toBytes, type PacketLike } from "./table.ts";
import { b, frame, fromA, identities, macs, nobody, type Family } from "./world.ts";

const perSecond = 20;
const node = new TestNode({}, { events_per_second: perSecond });
const rings = {
  verdicts: RingBuffer.open(node.map("tsi_events")),
  traces: RingBuffer.open(node.map("tsi_traces")),
};
after(() => {
  for (const ring of Object.values(rings)) ring[Symbol.dispose]();
  node[Symbol.dispose]();
});
beforeEach(() => {
  node.reset();
  setTrace("off");
});

function setTrace(level: keyof typeof abi.traceLevel): void {
  const runtime = encode(abi.runtime, {
    epoch: 0,
    trace: abi.traceLevel[level],
    verdicts: 0,
    proxies: 0,
  });
  node.map("tsi_runtime").update(new Uint8Array(4), runtime);
}

/** What came of these packets, in order; the budget starts anew. Whatever a program told is there when it has ended. */
function eventsOf(
  packets: readonly PacketLike[],
  name: keyof typeof rings = "verdicts",
): abi.Event[] {
  resetBudget();
  for (const ring of Object.values(rings)) ring.drain(() => {});
  for (const packet of packets) send(packet);
  return take(name);
}

function send(packet: PacketLike): void {
  node.try({ hook: "from_container", packet: toBytes(packet) });
}

function take(name: keyof typeof rings): abi.Event[] {
  const events: abi.Event[] = [];
  rings[name].drain(({ view }, at) => events.push(abi.event.read(view, at)));
  return events;
}

function resetBudget(): void {
  const map = node.map("tsi_event_rate");
  for (const key of Object.values(abi.eventClass).map((value) => encode(codecs.u32, value))) {
    const values = map.lookupPerCpu(key) ?? [];
    map.updatePerCpu(
      key,
      values.map((value) => new Uint8Array(value.length)),
    );
  }
}

/** A second later. */
function resetWindow(): void {
  const map = node.map("tsi_event_rate");
  const key = encode(codecs.u32, abi.eventClass.verdicts);
  const values = (map.lookupPerCpu(key) ?? []).map((value) => decode(abi.eventRate, value));
  map.updatePerCpu(
    key,
    values.map((value) => encode(abi.eventRate, { ...value, windowNs: 0n })),
  );
}

/** Of the class of drops, summed over CPUs. */
function rate(field: "lost" | "sent"): bigint {
  const key = encode(codecs.u32, abi.eventClass.verdicts);
  const values = node.map("tsi_event_rate").lookupPerCpu(key) ?? [];
  return values.reduce((sum, value) => sum + decode(abi.eventRate, value)[field], 0n);
}

const spoofed = (family: Family) => frame(family, [nobody, b]).tcp({ sport: 40000, dport: 80 });
const honest = (family: Family) => fromA(family, b).tcp({ sport: 40000, dport: 80 });

for (const family of [4, 6] as const) {
  test(`IPv${family}: a drop is told with its reason, whose it was, and the packet`, () => {
    const packet = spoofed(family).bytes();
    const [event, ...more] = eventsOf([packet]);
    assert.ok(event);
    assert.deepEqual(more, []);
    const { header } = event;
    assert.equal(header.kind, abi.eventKind.drop);
    assert.equal(header.code, abi.dropReason.invalidSource);
    assert.equal(header.direction, abi.direction.egress);
    assert.equal(header.endpointId, 11);
    assert.equal(header.sourceIdentity, identities.a);
    assert.equal(header.ifindex, 1);
    assert.equal(header.packetLength, packet.length);
    assert.deepEqual(event.packet.slice(0, header.capturedLength), packet);
  });
}

test("a large packet is told with its first 128 bytes", () => {
  const packet = frame(4, [nobody, b]).udp({ sport: 1, dport: 2, payload: new Uint8Array(1000) });
  const [event] = eventsOf([packet]);
  assert.equal(event?.header.capturedLength, 128);
  assert.equal(event?.header.packetLength, packet.bytes().length);
});

test("forwarded packets are told only when traces are asked for", () => {
  assert.deepEqual(eventsOf([honest(4)], "traces"), []);
  setTrace("sent");
  const [event, ...more] = eventsOf([honest(4)], "traces");
  assert.ok(event);
  assert.deepEqual(more, []);
  assert.equal(event.header.kind, abi.eventKind.trace);
  assert.equal(event.header.code, abi.tracePoint.toPod);
  assert.equal(event.header.endpointId, 12, "the pod's that gets it");
  assert.equal(event.header.direction, abi.direction.ingress);
  assert.equal(event.header.sourceIdentity, identities.a);
  assert.equal(event.header.destinationIdentity, identities.b);
  const seen = parsePacket(event.packet.slice(0, event.header.capturedLength));
  assert.equal(formatPacket(seen), "10.244.0.10:40000 -> 10.244.0.11:80 tcp ACK");
  assert.equal(String(seen.ethernet?.destination), macs.b);
});

test("a flood is told up to the budget; the rest is counted, and events say how much it was by then", () => {
  const offered = perSecond + 30;
  const events = eventsOf(Array.from({ length: offered }, () => spoofed(4)));
  // The budget is a CPU's, and a test may be moved to another: no more than one budget per CPU is told.
  assert.ok(events.length >= perSecond && events.length < offered, `${events.length} told`);
  assert.equal(rate("sent"), BigInt(events.length));
  assert.equal(rate("sent") + rate("lost"), BigInt(offered));
  resetWindow();
  send(spoofed(4));
  const [next] = take("verdicts");
  assert.ok(next && next.header.lost > 0n && next.header.lost <= rate("lost"));
});
