// What connection tracking remembers: one entry per connection, its direction, and how long it lives.
import assert from "node:assert/strict";
import { after, beforeEach, describe, test } from "node:test";
import { decode, encode } from "@tsilium/ebpf";
import { clockMonotonicNs } from "@tsilium/syscall";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { TestNode } from "./node.ts";
import { toBytes, type PacketLike } from "./table.ts";
import {
  a,
  b,
  frame,
  fromA,
  icmp,
  identities,
  macs,
  remotePod,
  otherNode,
  type Family,
} from "./world.ts";

const node = new TestNode();
after(() => node[Symbol.dispose]());
beforeEach(() => node.reset());

const flows = {
  syn: { sport: 40000, dport: 80, flags: "SYN" },
  synAck: { sport: 80, dport: 40000, flags: ["SYN", "ACK"] },
  data: { sport: 40000, dport: 80, flags: "ACK" },
  fin: { sport: 40000, dport: 80, flags: ["FIN", "ACK"] },
  finReply: { sport: 80, dport: 40000, flags: ["FIN", "ACK"] },
  rstReply: { sport: 80, dport: 40000, flags: ["RST", "ACK"] },
} as const;

const tunnel = { outerSource: otherNode[4], vni: identities.remotePod };

/** Pod a speaks with a pod of another node: it sends through from_container, is answered by from_overlay. */
function sent(family: Family, packet: keyof typeof flows): void {
  send("from_container", fromA(family, remotePod).tcp(flows[packet]));
}

function received(family: Family, packet: keyof typeof flows): void {
  send("from_overlay", answer(family).tcp(flows[packet]));
}

/** Three-way handshake: from its last packet on the connection is established. */
function establish(family: Family): void {
  sent(family, "syn");
  received(family, "synAck");
  sent(family, "data");
}

function close(family: Family): void {
  establish(family);
  sent(family, "fin");
  received(family, "finReply");
}

function answer(family: Family) {
  return frame(family, [remotePod, a], { src: macs.stranger, dst: macs.stranger });
}

function send(hook: "from_container" | "from_overlay", packet: PacketLike): void {
  const outcome = node.try({
    hook,
    packet: toBytes(packet),
    ...(hook === "from_overlay" ? { tunnel } : {}),
  });
  assert.equal(outcome.verdict, "redirect");
}

/** Every entry as text: "origin -> reply, flags, seconds to live". */
function remembered(family: Family): string[] {
  const now = clockMonotonicNs();
  return entriesOf(family).map(([table, key, value]) => {
    const { lowPort, highPort } =
      family === 4 ? decode(abi.conntrackKey4, key) : decode(abi.conntrackKey6, key);
    const entry = decode(abi.conntrackEntry, value);
    const flags = Object.entries(abi.conntrackFlags)
      .filter(([name, bit]) => entry.flags & bit && name !== "originHigh")
      .map(([name]) => name);
    const originHigh = (entry.flags & abi.conntrackFlags.originHigh) !== 0;
    const ports = originHigh ? [highPort, lowPort] : [lowPort, highPort];
    const seconds = Math.round(Number(entry.expiresNs - now) / 1e9);
    return `${ports.join(" -> ")} ${[table, ...flags, `${seconds} s`].join(" ")}`;
  });
}

/** What both tables hold: of connections that are young, and of those that are established. */
function entriesOf(family: Family): [table: string, key: Uint8Array, value: Uint8Array][] {
  return (["young", "established"] as const).flatMap((table) =>
    [...node.map(`tsi_ct${family}${table === "young" ? "_new" : ""}`).entries()].map(
      ([key, value]): [string, Uint8Array, Uint8Array] => [table, key, value],
    ),
  );
}

for (const family of [4, 6] as const) {
  describe(`IPv${family}`, () => {
    test("a SYN is remembered for a minute", () => {
      sent(family, "syn");
      assert.deepEqual(remembered(family), ["40000 -> 80 young 60 s"]);
    });

    test("its answer finds the same entry", () => {
      sent(family, "syn");
      received(family, "synAck");
      assert.deepEqual(remembered(family), ["40000 -> 80 young seenReply 60 s"]);
    });

    test("an established connection is remembered for 8000 s", () => {
      establish(family);
      assert.deepEqual(remembered(family), ["40000 -> 80 established seenReply 8000 s"]);
    });

    test("a connection that was open before we were is taken up as established", () => {
      sent(family, "data");
      assert.deepEqual(remembered(family), ["40000 -> 80 young 8000 s"]);
    });

    test("a FIN from one side leaves it established, from both it has 10 s", () => {
      establish(family);
      sent(family, "fin");
      assert.deepEqual(remembered(family), [
        "40000 -> 80 established seenReply originClosed 8000 s",
      ]);
      received(family, "finReply");
      assert.deepEqual(remembered(family), [
        "40000 -> 80 established seenReply originClosed replyClosed 10 s",
      ]);
    });

    test("a reset from either side ends it", () => {
      sent(family, "syn");
      received(family, "rstReply");
      assert.deepEqual(remembered(family), [
        "40000 -> 80 young seenReply originClosed replyClosed 10 s",
      ]);
    });

    test("late segments do not bring a closed connection back", () => {
      close(family);
      sent(family, "data");
      assert.match(remembered(family).join(), / 10 s$/);
    });

    test("a SYN does: the ports are used again", () => {
      close(family);
      sent(family, "syn");
      assert.deepEqual(remembered(family), ["40000 -> 80 young 60 s"]);
    });

    test("a SYN the other way is a connection of its own, not a reply", () => {
      sent(family, "data");
      send("from_overlay", answer(family).tcp({ sport: 80, dport: 40000, flags: "SYN" }));
      assert.deepEqual(remembered(family), ["80 -> 40000 young 60 s"]);
    });

    test("UDP is remembered for a minute", () => {
      send("from_container", fromA(family, b).udp({ sport: 5000, dport: 53 }));
      assert.deepEqual(remembered(family), ["5000 -> 53 young 60 s"]);
    });

    test("pings of both sides with one id are two flows", () => {
      send("from_container", icmp(fromA(family, remotePod), family, "echo-request", 7));
      send("from_overlay", icmp(answer(family), family, "echo-request", 7));
      assert.deepEqual(remembered(family).toSorted(), ["7 -> 0 young 60 s", "7 -> 0 young 60 s"]);
    });

    test("a ping's answer is of its flow", () => {
      send("from_container", icmp(fromA(family, remotePod), family, "echo-request", 7));
      send("from_overlay", icmp(answer(family), family, "echo-reply", 7));
      assert.deepEqual(remembered(family), ["7 -> 0 young seenReply 60 s"]);
    });

    test("an ICMP error opens nothing", () => {
      const quoted = frame(family, [remotePod, a]).udp({ sport: 1, dport: 2 }).bytes().subarray(14);
      const packet = fromA(family, remotePod);
      send(
        "from_container",
        family === 4
          ? packet.icmp({ type: "unreachable", code: 3, payload: quoted })
          : packet.icmpv6({ type: "unreachable", code: 4, payload: quoted }),
      );
      assert.deepEqual(remembered(family), []);
    });
  });
}

/** The only entry. */
function entry(): abi.ConntrackEntry {
  const [[, , value] = []] = entriesOf(4);
  assert.ok(value);
  return decode(abi.conntrackEntry, value);
}

function setEpoch(epoch: number): void {
  node
    .map("tsi_runtime")
    .update(new Uint8Array(4), encode(abi.runtime, { epoch, trace: 0, verdicts: 0, proxies: 0 }));
}

test("an entry whose epoch is over is judged again, and carries the new one", () => {
  sent(4, "syn");
  assert.equal(entry().epoch, 0);
  setEpoch(5);
  sent(4, "data");
  assert.equal(entry().epoch, 5);
  setEpoch(0);
});

test("it remembers who speaks with whom", () => {
  sent(4, "syn");
  const { originIdentity, replyIdentity } = entry();
  assert.deepEqual([originIdentity, replyIdentity], [identities.a, identities.remotePod]);
});
