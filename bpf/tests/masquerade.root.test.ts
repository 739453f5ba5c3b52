// Pods' packets leave with the node's address, and their replies find back.
import assert from "node:assert/strict";
import { after, afterEach, describe, test } from "node:test";
import { decode, TypedMap } from "@tsilium/ebpf";
import { cutIntoFragments, type PacketBuilder, parsePacket, Prefix } from "@tsilium/net";
import { clockMonotonicNs } from "@tsilium/syscall";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { mapCodecs } from "../../packages/datapath/src/gen/abi.ts";
import { Nat } from "../../packages/datapath/src/tables/nat.ts";
import { IpMasqMap } from "../../packages/datapath/src/tables/ip-masq.ts";
import { TestNode } from "./node.ts";
import { both, table, type Row, type Step } from "./table.ts";
import {
  a,
  b,
  frame,
  hop,
  icmp,
  macs,
  node,
  otherNode,
  remotePod,
  router,
  toPod,
  world,
  type Family,
  type IpOptions,
  type Party,
} from "./world.ts";

const out = "to_netdev";
const back = "from_netdev";

/** Frames on eth0; the stack has already routed what leaves. */
const wire = (family: Family, parties: readonly [Party, Party], options: IpOptions = {}) =>
  frame(family, parties, { src: macs.here, dst: macs.here, ...options });

const flows = {
  tcp: (packet: PacketBuilder, sport = 40000) => packet.tcp({ sport, dport: 443, flags: "SYN" }),
  tcpReply: (packet: PacketBuilder, dport = 40000) =>
    packet.tcp({ sport: 443, dport, flags: ["SYN", "ACK"] }),
  udp: (packet: PacketBuilder, sport = 40000) => packet.udp({ sport, dport: 53, payload: "query" }),
  udpReply: (packet: PacketBuilder, dport = 40000) =>
    packet.udp({ sport: 53, dport, payload: "answer" }),
};

/** Pod a has opened a connection to the world from this port. */
const opened = (family: Family, sport = 40000): Step => ({
  hook: out,
  packet: flows.tcp(wire(family, [a, world]), sport),
});

const roomy = new TestNode();
after(() => roomy[Symbol.dispose]());

describe("masquerading in tunnel mode", () => {
  const outwards: Row[] = [
    ...both((family) => ({
      sentence: "a connection to the world leaves with the node's address and its own port",
      hook: out,
      packet: flows.tcp(wire(family, [a, world])),
      verdict: "pass",
      out: flows.tcp(wire(family, [node, world])),
    })),
    ...both((family) => ({
      sentence: "so does UDP",
      hook: out,
      packet: flows.udp(wire(family, [a, world])),
      verdict: "pass",
      out: flows.udp(wire(family, [node, world])),
    })),
    {
      sentence: "IPv4: UDP without a checksum stays without",
      hook: out,
      packet: wire(4, [a, world]).udp({ sport: 40000, dport: 53, checksum: 0 }),
      verdict: "pass",
      out: wire(4, [node, world]).udp({ sport: 40000, dport: 53, checksum: 0 }),
    },
    ...both((family) => ({
      sentence: "a ping leaves with its own id",
      hook: out,
      packet: icmp(wire(family, [a, world]), family, "echo-request", 40000),
      verdict: "pass",
      out: icmp(wire(family, [node, world]), family, "echo-request", 40000),
    })),
    ...both((family) => ({
      sentence: "a packet for another node is masqueraded",
      hook: out,
      packet: flows.tcp(wire(family, [a, otherNode])),
      verdict: "pass",
      out: flows.tcp(wire(family, [node, otherNode])),
    })),
    ...both((family) => ({
      sentence: "a packet into the native routing range is not",
      hook: out,
      packet: flows.tcp(wire(family, [a, remotePod])),
      verdict: "pass",
    })),
    ...both((family) => ({
      sentence: "what the node sends from its router address is masqueraded too",
      hook: out,
      packet: flows.tcp(wire(family, [router, world])),
      verdict: "pass",
      out: flows.tcp(wire(family, [node, world])),
    })),
    ...both((family) => ({
      sentence: "the node's own connections keep their ports",
      hook: out,
      packet: flows.tcp(wire(family, [node, world])),
      verdict: "untouched",
    })),
    ...both((family) => ({
      sentence: "a protocol without ports cannot share an address (168)",
      hook: out,
      packet:
        family === 4
          ? wire(4, [a, world]).icmp({ type: 13 })
          : wire(6, [a, world]).icmpv6({ type: 139 }),
      verdict: "drop 168",
    })),
    ...both((family) => ({
      sentence: "later fragments follow their first",
      hook: out,
      before: [{ hook: out, packet: pieces(family, a)[0] as Uint8Array }],
      packet: pieces(family, a)[1] as Uint8Array,
      verdict: "pass",
      out: pieces(family, node)[1] as Uint8Array,
    })),
    ...both((family) => ({
      sentence: "one that precedes it is dropped (175)",
      hook: out,
      packet: pieces(family, a)[1] as Uint8Array,
      verdict: "drop 175",
    })),
    ...both((family) => ({
      sentence: "what is neither the node's nor a pod's passes as it is",
      hook: out,
      packet: flows.tcp(wire(family, [hop, world])),
      verdict: "untouched",
    })),
    ...both((family) => ({
      sentence: "a connection from outside to the pod's own address is answered from it",
      hook: out,
      before: [{ hook: back, packet: flows.tcp(wire(family, [world, a])) }],
      packet: flows.tcpReply(wire(family, [a, world])),
      verdict: "pass",
    })),
  ];

  const replies: Row[] = [
    ...both((family) => ({
      sentence: "a reply is given its pod's address back and handed to it",
      hook: back,
      before: [opened(family)],
      packet: flows.tcpReply(wire(family, [world, node])),
      verdict: "redirect",
      out: flows.tcpReply(toPod("a", family, [world, a])),
    })),
    ...both((family) => ({
      sentence: "so is the reply to a datagram",
      hook: back,
      before: [{ hook: out, packet: flows.udp(wire(family, [a, world])) }],
      packet: flows.udpReply(wire(family, [world, node])),
      verdict: "redirect",
      out: flows.udpReply(toPod("a", family, [world, a])),
    })),
    ...both((family) => ({
      sentence: "and the reply to a ping",
      hook: back,
      before: [
        { hook: out, packet: icmp(wire(family, [a, world]), family, "echo-request", 40000) },
      ],
      packet: icmp(wire(family, [world, node]), family, "echo-reply", 40000),
      verdict: "redirect",
      out: icmp(toPod("a", family, [world, a]), family, "echo-reply", 40000),
    })),
    ...both((family) => ({
      sentence: "a packet that answers nothing is the node's own business",
      hook: back,
      packet: flows.tcpReply(wire(family, [world, node])),
      verdict: "untouched",
    })),
    ...both((family) => ({
      sentence: "a reply from another port than was asked is the node's own business",
      hook: back,
      before: [opened(family)],
      packet: wire(family, [world, node]).tcp({ sport: 80, dport: 40000 }),
      verdict: "untouched",
    })),
    ...both((family) => ({
      sentence: "a ping with the id of a connection's port does not reach its pod (GHSA-c66w)",
      hook: back,
      before: [opened(family)],
      packet: icmp(wire(family, [world, node]), family, "echo-reply", 40000),
      verdict: "untouched",
    })),
    ...both((family) => ({
      sentence:
        "a router's error about a masqueraded packet reaches the pod in the pod's own terms",
      hook: back,
      before: [opened(family)],
      packet: tooBig(family, wire(family, [hop, node]), flows.tcp(frame(family, [node, world]))),
      verdict: "redirect",
      out: tooBig(family, toPod("a", family, [hop, a]), flows.tcp(frame(family, [a, world]))),
    })),
    ...both((family) => ({
      sentence: "so does an error about its ping",
      hook: back,
      before: [
        { hook: out, packet: icmp(wire(family, [a, world]), family, "echo-request", 40000) },
      ],
      packet: tooBig(
        family,
        wire(family, [hop, node]),
        icmp(frame(family, [node, world]), family, "echo-request", 40000),
      ),
      verdict: "redirect",
      out: tooBig(
        family,
        toPod("a", family, [hop, a]),
        icmp(frame(family, [a, world]), family, "echo-request", 40000),
      ),
    })),
    ...both((family) => ({
      sentence: "an error by the pod about what it was answered leaves in the node's terms",
      hook: out,
      before: [{ hook: out, packet: flows.udp(wire(family, [a, world])) }],
      packet: unreachable(
        family,
        wire(family, [a, world]),
        flows.udpReply(frame(family, [world, a])),
      ),
      verdict: "pass",
      out: unreachable(
        family,
        wire(family, [node, world]),
        flows.udpReply(frame(family, [world, node])),
      ),
    })),
    ...both((family) => ({
      sentence: "a reply whose hops end here is left to the stack to answer (196)",
      hook: back,
      before: [opened(family)],
      packet: flows.tcpReply(wire(family, [world, node], { ttl: 1 })),
      verdict: "answer 196",
      out: flows.tcpReply(wire(family, [world, a], { ttl: 1 })),
    })),
  ];

  table(() => roomy, [...outwards, ...replies]);
});

function pieces(family: Family, from: Party): Uint8Array[] {
  const datagram = wire(family, [from, world]).udp({
    sport: 40000,
    dport: 53,
    payload: new Uint8Array(3000),
  });
  // The checksum covers addresses: the rewritten datagram has the whole one's.
  return cutIntoFragments(datagram.bytes(), { size: 1400, id: 5 });
}

function tooBig(family: Family, packet: PacketBuilder, about: PacketBuilder): PacketBuilder {
  const payload = about.bytes().subarray(14);
  return family === 4
    ? packet.icmp({ type: "unreachable", code: 4, mtu: 1400, payload })
    : packet.icmpv6({ type: "packet-too-big", mtu: 1400, payload });
}

function unreachable(family: Family, packet: PacketBuilder, about: PacketBuilder): PacketBuilder {
  const payload = about.bytes().subarray(14);
  return family === 4
    ? packet.icmp({ type: "unreachable", code: 3, payload })
    : packet.icmpv6({ type: "unreachable", code: 4, payload });
}

/** Two ports to share. */
const tight = new TestNode({ natPortRange: [50000, 50001] });
after(() => tight[Symbol.dispose]());

describe("when ports are scarce", () => {
  /** Both ports towards the world are taken, by pod b. */
  const full = (family: Family): Step[] =>
    [50000, 50001].map((sport) => ({
      hook: out,
      packet: flows.tcp(wire(family, [b, world]), sport),
    }));

  const rows: Row[] = [
    ...both((family) => ({
      sentence:
        "a port that another pod uses towards this remote is replaced, the reply restores it",
      hook: back,
      before: [
        { hook: out, packet: flows.tcp(wire(family, [b, world]), 50000) },
        { hook: out, packet: flows.tcp(wire(family, [a, world]), 50000) },
      ],
      packet: flows.tcpReply(wire(family, [world, node]), 50001),
      verdict: "redirect",
      out: flows.tcpReply(toPod("a", family, [world, a]), 50000),
    })),
    ...both((family) => ({
      sentence: "the replaced port is the next packet's as well",
      hook: out,
      before: [
        { hook: out, packet: flows.tcp(wire(family, [b, world]), 50000) },
        { hook: out, packet: flows.tcp(wire(family, [a, world]), 50000) },
      ],
      packet: wire(family, [a, world]).tcp({ sport: 50000, dport: 443, flags: "ACK" }),
      verdict: "pass",
      out: wire(family, [node, world]).tcp({ sport: 50001, dport: 443, flags: "ACK" }),
    })),
    ...both((family) => ({
      sentence: "ids of pings are replaced likewise",
      hook: out,
      before: [
        { hook: out, packet: icmp(wire(family, [b, world]), family, "echo-request", 50000) },
      ],
      packet: icmp(wire(family, [a, world]), family, "echo-request", 50000),
      verdict: "pass",
      out: icmp(wire(family, [node, world]), family, "echo-request", 50001),
    })),
    ...both((family) => ({
      sentence: "the node's own connection does not lose its port to a pod",
      hook: out,
      before: [{ hook: out, packet: flows.tcp(wire(family, [node, world]), 50000) }],
      packet: flows.tcp(wire(family, [a, world]), 50000),
      verdict: "pass",
      out: flows.tcp(wire(family, [node, world]), 50001),
    })),
    ...both((family) => ({
      sentence: "nor does it take a pod's",
      hook: out,
      before: [{ hook: out, packet: flows.tcp(wire(family, [a, world]), 50000) }],
      packet: flows.tcp(wire(family, [node, world]), 50000),
      verdict: "untouched",
      out: flows.tcp(wire(family, [node, world]), 50001),
    })),
    ...both((family) => ({
      sentence: "and the reply to it goes to the stack, its port restored",
      hook: back,
      before: [
        { hook: out, packet: flows.tcp(wire(family, [a, world]), 50000) },
        { hook: out, packet: flows.tcp(wire(family, [node, world]), 50000) },
      ],
      packet: flows.tcpReply(wire(family, [world, node]), 50001),
      verdict: "untouched",
      out: flows.tcpReply(wire(family, [world, node]), 50000),
    })),
    ...both((family) => ({
      sentence: "another remote can have the same port again",
      hook: out,
      before: full(family),
      packet: flows.tcp(wire(family, [a, hop]), 50000),
      verdict: "pass",
      out: flows.tcp(wire(family, [node, hop]), 50000),
    })),
    ...both((family) => ({
      sentence: "when all are taken the packet is dropped (167)",
      hook: out,
      before: full(family),
      packet: flows.tcp(wire(family, [a, world]), 50000),
      verdict: "drop 167",
    })),
    ...both((family) => ({
      sentence: "a router's error names the pod's port, not the replaced one",
      hook: back,
      before: [
        { hook: out, packet: flows.tcp(wire(family, [b, world]), 50000) },
        { hook: out, packet: flows.tcp(wire(family, [a, world]), 50000) },
      ],
      packet: tooBig(
        family,
        wire(family, [hop, node]),
        flows.tcp(frame(family, [node, world]), 50001),
      ),
      verdict: "redirect",
      out: tooBig(
        family,
        toPod("a", family, [hop, a]),
        flows.tcp(frame(family, [a, world]), 50000),
      ),
    })),
  ];

  table(() => tight, rows);
});

const native = new TestNode({ routingMode: "native" });
after(() => native[Symbol.dispose]());

describe("masquerading with native routing", () => {
  const rows: Row[] = [
    ...both((family) => ({
      sentence: "a packet for another node keeps the pod's address",
      hook: out,
      packet: flows.tcp(wire(family, [a, otherNode])),
      verdict: "pass",
    })),
    ...both((family) => ({
      sentence: "a packet for the world does not",
      hook: out,
      packet: flows.tcp(wire(family, [a, world])),
      verdict: "pass",
      out: flows.tcp(wire(family, [node, world])),
    })),
  ];

  table(() => native, rows);
});

describe("the end of what is masqueraded", () => {
  afterEach(() => roomy.reset());
  type Flags = "SYN" | "FIN" | "RST" | "ACK";
  const sent = (family: Family, flags: Flags) =>
    roomy.try({
      hook: out,
      packet: wire(family, [a, world]).tcp({ sport: 40_000, dport: 443, flags }).bytes(),
    });
  const answered = (family: Family, flags: Flags) =>
    roomy.try({
      hook: back,
      packet: wire(family, [world, node]).tcp({ sport: 443, dport: 40_000, flags }).bytes(),
    });
  const nat = () => new Nat({ ipv4: roomy.map("tsi_nat4"), ipv6: roomy.map("tsi_nat6") });
  /** Of both halves: flags, and how long it has. */
  const halves = (family: Family): string[] => {
    const codec = family === 4 ? abi.natEntry4 : abi.natEntry6;
    const now = clockMonotonicNs();
    return Array.from(roomy.map(`tsi_nat${family}`).entries(), ([key, value]) => {
      const { flags, expiresNs } = decode<{ flags: number; expiresNs: bigint }>(codec, value);
      const { direction } = decode<{ direction: number }>(
        family === 4 ? abi.natKey4 : abi.natKey6,
        key,
      );
      const names = Object.entries(abi.natFlags).flatMap(([name, bit]) =>
        flags & bit ? [name] : [],
      );
      const seconds = Math.round(Number(expiresNs - now) / 1e9);
      return [direction === abi.natDirection.forward ? "out" : "back", ...names, seconds].join(" ");
    }).toSorted();
  };
  const secondsLater = (seconds: number) => clockMonotonicNs() + BigInt(seconds) * 1_000_000_000n;

  for (const family of [4, 6] as const) {
    for (const [who, reset] of [
      ["the pod", sent],
      ["the server", answered],
    ] as const)
      test(`IPv${family}: ${who} resets the connection: both halves go seconds later`, async () => {
        sent(family, "SYN");
        answered(family, "ACK");
        sent(family, "ACK");
        assert.deepEqual(halves(family), ["back 8000", "out 8000"]);
        reset(family, "RST");
        assert.ok(halves(family).some((half) => half.endsWith(" closed reset 10")));
        assert.equal((await nat().sweep(secondsLater(5))).deleted, 0);
        await nat().sweep(secondsLater(11));
        assert.deepEqual(halves(family), []);
      });

    test(`IPv${family}: a reset that no mapping is there for leaves none for long`, () => {
      sent(family, "RST");
      assert.deepEqual(halves(family), ["back closed reset 10", "out closed reset 10"]);
    });

    test(`IPv${family}: ports that are used again after a reset are kept`, async () => {
      sent(family, "SYN");
      sent(family, "RST");
      sent(family, "SYN");
      answered(family, "ACK");
      sent(family, "ACK");
      assert.deepEqual(halves(family), ["back 8000", "out 8000"]);
      await nat().sweep(secondsLater(100));
      assert.equal(halves(family).length, 2);
    });

    test(`IPv${family}: half of a connection that is closed waits for the other`, async () => {
      sent(family, "SYN");
      answered(family, "ACK");
      sent(family, "FIN");
      await nat().sweep(secondsLater(100));
      assert.deepEqual(halves(family), ["back 8000", "out closed 10"]);
    });
  }
});

const plain = new TestNode({ enableIpv4Masquerade: false, enableIpv6Masquerade: false });
after(() => plain[Symbol.dispose]());

describe("without masquerading", () => {
  const rows: Row[] = both((family) => ({
    sentence: "a packet for the world keeps the pod's address",
    hook: out,
    packet: flows.tcp(wire(family, [a, world])),
    verdict: "untouched",
  }));

  table(() => plain, rows);
});

const agent = new TestNode({ ipMasqAgent: true });
after(() => agent[Symbol.dispose]());

describe("with ip-masq-agent's destinations", () => {
  const exempt = new IpMasqMap(new TypedMap(agent.map("tsi_ip_masq"), mapCodecs.tsi_ip_masq));
  /** Both of the world's addresses are in these. */
  const wide = ["203.0.112.0/22", "2001:db8::/32"].map((text) => Prefix.parse(text));
  afterEach(() => {
    agent.reset();
    exempt.setExempt([]);
  });
  const source = (family: Family, sport: number): string => {
    const packet = flows.tcp(wire(family, [a, world]), sport);
    const { verdict, bytes } = agent.try({ hook: out, packet: packet.bytes() });
    assert.equal(verdict, "pass");
    return String(parsePacket(bytes).ip?.source);
  };

  for (const family of [4, 6] as const) {
    test(`IPv${family}: a pod reaches them with its own address, and no others`, () => {
      assert.equal(source(family, 40_000), node[family]);
      exempt.setExempt(wide);
      assert.equal(source(family, 40_001), a[family]);
      exempt.setExempt([Prefix.parse("198.51.100.0/24"), Prefix.parse("2001:db7::/32")]);
      assert.equal(source(family, 40_002), node[family]);
    });

    test(`IPv${family}: what was masqueraded before goes on so`, () => {
      assert.equal(source(family, 40_000), node[family]);
      exempt.setExempt(wide);
      assert.equal(source(family, 40_000), node[family]);
      assert.equal(source(family, 40_001), a[family]);
    });
  }
});
