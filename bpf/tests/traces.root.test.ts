// Which packets of a connection are told at each level of aggregation, and as whose.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { decode, encode, RingBuffer } from "@tsilium/ebpf";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { type Attempt, TestNode } from "./node.ts";
import { toBytes, type PacketLike } from "./table.ts";
import {
  a,
  b,
  frame,
  fromA,
  icmp,
  identities,
  macs,
  otherNode,
  remotePod,
  type Family,
} from "./world.ts";

const intervalTicks = 3;
const node = new TestNode({}, { trace_interval: intervalTicks });
const ring = RingBuffer.open(node.map("tsi_traces"));
after(() => {
  ring[Symbol.dispose]();
  node[Symbol.dispose]();
});
beforeEach(() => {
  node.reset();
  told();
});

function setLevel(trace: number): void {
  const runtime = encode(abi.runtime, { epoch: 0, trace, verdicts: 0, proxies: 0 });
  node.map("tsi_runtime").update(new Uint8Array(4), runtime);
}

const words = <Numbers extends Record<string, number>>(numbers: Numbers) =>
  Object.fromEntries(Object.entries(numbers).map(([word, number]) => [number, word]));
const points = words(abi.tracePoint);
const reasons = words(abi.traceReason);
const directions = words(abi.direction);

/** "toPod new ingress 12" for each trace since the last call: where, why, direction, endpoint. */
function told(): string[] {
  const events: string[] = [];
  ring.drain((memory, at, length) => {
    const { header } = decode(abi.event, memory.bytes.slice(at, at + length));
    assert.equal(header.kind, abi.eventKind.trace);
    const { code, reason, direction, endpointId } = header;
    events.push(`${points[code]} ${reasons[reason]} ${directions[direction]} ${endpointId}`);
  });
  return events;
}

/** What is told of one packet. */
function tellsOf(attempt: Omit<Attempt, "packet">, packet: PacketLike): string[] {
  const { verdict } = node.try({ ...attempt, packet: toBytes(packet) });
  assert.equal(verdict, "redirect");
  return told();
}

const forth = { sport: 40000, dport: 80 };
const back = { sport: 80, dport: 40000 };
const tunnel = { outerSource: otherNode[4], vni: identities.remotePod };

const send = (family: Family, flags: "SYN" | "ACK" | ["FIN", "ACK"] | "RST") =>
  tellsOf({ hook: "from_container" }, fromA(family, remotePod).tcp({ ...forth, flags }));
const answer = (family: Family, flags: "ACK" | ["SYN", "ACK"] | ["FIN", "ACK"]) =>
  tellsOf(
    { hook: "from_overlay", tunnel },
    frame(family, [remotePod, a], { src: macs.stranger, dst: macs.stranger }).tcp({
      ...back,
      flags,
    }),
  );

/** Makes the connection's last reports older by some ticks. */
function age(ticks: number): void {
  for (const name of ["tsi_ct4", "tsi_ct6", "tsi_ct4_new", "tsi_ct6_new"]) {
    const map = node.map(name);
    const entries = [...map.entries()];
    for (const [key, value] of entries) {
      const entry = decode(abi.conntrackEntry, value);
      const older = (told: number) => (told === 0 ? 0 : (told - ticks + 65_536) % 65_536);
      const { originTold, replyTold } = entry;
      const aged = { ...entry, originTold: older(originTold), replyTold: older(replyTold) };
      map.update(key, encode(abi.conntrackEntry, aged));
    }
  }
}

for (const family of [4, 6] as const) {
  describe(`IPv${family}, per connection`, () => {
    beforeEach(() => setLevel(abi.traceLevel.connections));

    test("a connection is told at its first packet each way, its flags and its end, and not between", () => {
      assert.deepEqual(send(family, "SYN"), ["toOverlay new egress 11"]);
      assert.deepEqual(answer(family, ["SYN", "ACK"]), ["toPod reply ingress 11"]);
      for (let count = 0; count < 20; count++) {
        assert.deepEqual(send(family, "ACK"), []);
        assert.deepEqual(answer(family, "ACK"), []);
      }
      assert.deepEqual(send(family, ["FIN", "ACK"]), ["toOverlay established egress 11"]);
      assert.deepEqual(send(family, ["FIN", "ACK"]), []);
      assert.deepEqual(answer(family, ["FIN", "ACK"]), ["toPod reply ingress 11"]);
      assert.deepEqual(answer(family, "ACK"), []);
    });

    test("a repeated SYN is not told again", () => {
      assert.deepEqual(send(family, "SYN"), ["toOverlay new egress 11"]);
      assert.deepEqual(send(family, "SYN"), []);
    });

    test("the ports' next connection is told anew", () => {
      send(family, "SYN");
      answer(family, ["SYN", "ACK"]);
      send(family, "ACK");
      assert.deepEqual(send(family, "RST"), ["toOverlay established egress 11"]);
      assert.deepEqual(send(family, "SYN"), ["toOverlay new egress 11"]);
      assert.deepEqual(answer(family, ["SYN", "ACK"]), ["toPod reply ingress 11"]);
    });

    test("a long connection is told once every interval, each way by itself", () => {
      send(family, "SYN");
      answer(family, ["SYN", "ACK"]);
      send(family, "ACK");
      age(intervalTicks - 1);
      // A tick may have passed by itself.
      send(family, "ACK");
      answer(family, "ACK");
      age(intervalTicks);
      assert.deepEqual(send(family, "ACK"), ["toOverlay established egress 11"]);
      assert.deepEqual(send(family, "ACK"), []);
      assert.deepEqual(answer(family, "ACK"), ["toPod reply ingress 11"]);
    });

    test("between pods of one node a packet is told once, as the one's that gets it", () => {
      const packet = fromA(family, b).tcp({ ...forth, flags: "SYN" });
      assert.deepEqual(tellsOf({ hook: "from_container" }, packet), ["toPod new ingress 12"]);
    });

    test("UDP is told at its first packet each way, pings too", () => {
      const udp = () =>
        tellsOf({ hook: "from_container" }, fromA(family, remotePod).udp({ sport: 5, dport: 6 }));
      assert.deepEqual(udp(), ["toOverlay new egress 11"]);
      assert.deepEqual(udp(), []);
      const ping = () =>
        tellsOf(
          { hook: "from_container" },
          icmp(fromA(family, remotePod), family, "echo-request", 7),
        );
      assert.deepEqual(ping(), ["toOverlay new egress 11"]);
      assert.deepEqual(ping(), []);
    });
  });

  test(`IPv${family}: per packet, every one is told where it goes, and with "all" where it comes from`, () => {
    setLevel(abi.traceLevel.sent);
    assert.deepEqual(send(family, "SYN"), ["toOverlay new egress 11"]);
    assert.deepEqual(send(family, "SYN"), ["toOverlay established egress 11"]);
    setLevel(abi.traceLevel.all);
    assert.deepEqual(send(family, "SYN"), [
      "fromPod unknown egress 11",
      "toOverlay established egress 11",
    ]);
  });
}

test("switched off, nothing is told or remembered as told", () => {
  setLevel(abi.traceLevel.off);
  assert.deepEqual(send(4, "SYN"), []);
  setLevel(abi.traceLevel.connections);
  assert.deepEqual(send(4, "ACK"), ["toOverlay established egress 11"]);
});

test("what is not told for its number is counted: told and lost add up", () => {
  setLevel(abi.traceLevel.sent);
  const before = rates();
  using small = new TestNode({}, { traces_per_second: 10 });
  using smallRing = RingBuffer.open(small.map("tsi_traces"));
  small
    .map("tsi_runtime")
    .update(
      new Uint8Array(4),
      encode(abi.runtime, { epoch: 0, trace: abi.traceLevel.sent, verdicts: 0, proxies: 0 }),
    );
  const packet = toBytes(fromA(4, b).udp({ sport: 1, dport: 2 }));
  for (let count = 0; count < 100; count++) small.run({ hook: "from_container", packet });
  const handed = smallRing.drain(() => undefined);
  const { sent, lost } = rates(small);
  assert.equal(sent, handed);
  assert.equal(sent + lost, 100);
  assert.deepEqual(rates(), before, "another node's counts");
});

/** Of traces, all CPUs together. */
function rates(of: TestNode = node): { sent: number; lost: number } {
  const values = of.map("tsi_event_rate").lookupPerCpu(Uint8Array.of(1, 0, 0, 0)) ?? [];
  return values
    .map((value) => decode(abi.eventRate, value))
    .reduce(
      (sum, rate) => ({ sent: sum.sent + Number(rate.sent), lost: sum.lost + Number(rate.lost) }),
      { sent: 0, lost: 0 },
    );
}
