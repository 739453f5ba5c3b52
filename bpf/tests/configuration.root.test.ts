// What depends on how a node is configured, and on what its maps do not say.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { ether } from "@tsilium/net";
import type { DatapathConfig } from "../../packages/datapath/src/model.ts";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { TestNode } from "./node.ts";
import { clusterIp, inner, wire } from "./service-world.ts";
import { table, type Row } from "./table.ts";
import {
  a,
  b,
  type Family,
  frame,
  fromA,
  identities,
  macs,
  node,
  otherNode,
  remotePod,
  router,
  toPod,
  world,
} from "./world.ts";

const tcp = { sport: 40000, dport: 80, flags: "SYN" } as const;

const sctp = (sport: number) => ({ sport, dport: 2905, tag: 1, chunks: Uint8Array.of(1, 0, 0, 4) });

describe("a node without IPv6", () => {
  const ipv4Only = new TestNode({ enableIpv6: false });
  after(() => ipv4Only[Symbol.dispose]());
  const rows: Row[] = [
    {
      sentence: "refuses what pods send over it (139)",
      hook: "from_container",
      packet: fromA(6, b).tcp(tcp),
      verdict: "drop 139",
    },
    {
      sentence: "leaves what arrives over it to the stack",
      hook: "from_netdev",
      packet: frame(6, [world, a], { src: macs.stranger }).tcp(tcp),
      verdict: "untouched",
    },
    {
      sentence: "delivers IPv4",
      hook: "from_container",
      packet: fromA(4, b).tcp(tcp),
      verdict: "redirect",
      out: toPod("b", 4, [a, b]).tcp(tcp),
    },
  ];
  table(() => ipv4Only, rows);
});

describe("a node without IPv4", () => {
  const ipv6Only = new TestNode({ enableIpv4: false });
  after(() => ipv6Only[Symbol.dispose]());
  const rows: Row[] = [
    {
      sentence: "refuses what pods send over it (139)",
      hook: "from_container",
      packet: fromA(4, b).tcp(tcp),
      verdict: "drop 139",
    },
    {
      sentence: "answers no ARP (139)",
      hook: "from_container",
      packet: ether({ src: macs.a, dst: macs.here }).arp({
        operation: "request",
        senderMac: macs.a,
        sender: a[4],
        target: router[4],
      }),
      verdict: "drop 139",
    },
    {
      sentence: "delivers IPv6",
      hook: "from_container",
      packet: fromA(6, b).tcp(tcp),
      verdict: "redirect",
      out: toPod("b", 6, [a, b]).tcp(tcp),
    },
  ];
  table(() => ipv6Only, rows);
});

describe("a node with native routing", () => {
  const native = new TestNode({ routingMode: "native" });
  after(() => native[Symbol.dispose]());
  const rows: Row[] = ([4, 6] as const).map((family) => ({
    sentence: `IPv${family}: leaves packets for other nodes' pods to the stack's routes`,
    hook: "from_container",
    packet: fromA(family, remotePod).tcp(tcp),
    verdict: "pass",
  }));
  table(() => native, rows);
});

describe("SCTP", () => {
  const tight = new TestNode({ natPortRange: [50000, 50001] });
  after(() => tight[Symbol.dispose]());
  const link = { src: macs.here, dst: macs.here };
  const leaves = (from: string, sport: number) =>
    ether(link).ipv4({ src: from, dst: world[4] }).sctp(sctp(sport));
  const rows: Row[] = [
    {
      sentence: "is delivered between pods",
      hook: "from_container",
      packet: ether({ src: macs.a, dst: macs.here })
        .ipv4({ src: a[4], dst: b[4] })
        .sctp(sctp(40000)),
      verdict: "redirect",
      out: ether({ src: macs.gatewayOfB, dst: macs.b })
        .ipv4({ src: a[4], dst: b[4], ttl: 63 })
        .sctp(sctp(40000)),
    },
    {
      sentence: "is masqueraded with its own port, which its checksum covers",
      hook: "to_netdev",
      packet: leaves(a[4], 40000),
      verdict: "pass",
      out: leaves(node[4], 40000),
    },
    {
      sentence: "has no mapping when that is taken (167)",
      hook: "to_netdev",
      before: [{ hook: "to_netdev", packet: leaves(b[4], 40000) }],
      packet: leaves(a[4], 40000),
      verdict: "drop 167",
    },
  ];
  table(() => tight, rows);
});

describe("services", () => {
  const services = { ...plainServices, nodePort: true };
  const door = { at: node, port: 30080, kind: "node-port" } as const;
  const ip = { at: clusterIp(1), port: 80, kind: "cluster-ip" } as const;
  const made = (config: Partial<DatapathConfig>) => {
    const testNode = new TestNode({ ...config, services });
    testNode.services.set([
      { frontends: [door, ip], protocols: ["tcp"], backends: [{ at: remotePod, port: 8080 }] },
    ]);
    after(() => testNode[Symbol.dispose]());
    return testNode;
  };
  const asked = { sport: 40000, dport: 30080, flags: "SYN" } as const;
  const balanced = { ...asked, dport: 8080 };
  const answer = { sport: 8080, dport: 40000, flags: ["SYN", "ACK"] } as const;
  const tunnel = { outerSource: otherNode[4], vni: identities.remotePod };

  /** Clients of this family are served, from pods and from outside. */
  const served = (family: Family): Row[] => [
    {
      sentence: `IPv${family}: a pod's packet is balanced`,
      hook: "from_container",
      packet: fromA(family, ip.at).tcp({ ...asked, dport: 80 }),
      verdict: "redirect",
      out: fromA(family, remotePod, { ttl: 63 }).tcp(balanced),
    },
    {
      sentence: `IPv${family}: one from outside is`,
      hook: "from_netdev",
      packet: wire(family, [world, node]).tcp(asked),
      verdict: "redirect",
      out: wire(family, [router, remotePod], { ttl: 63 }).tcp(balanced),
    },
    {
      sentence: `IPv${family}: and answered`,
      hook: "from_overlay",
      tunnel,
      before: [{ hook: "from_netdev", packet: wire(family, [world, node]).tcp(asked) }],
      packet: inner(family, [remotePod, router]).tcp(answer),
      verdict: "redirect",
      out: inner(family, [node, world], { ttl: 63 }).tcp({ ...answer, sport: 30080 }),
    },
  ];
  const notServed = (family: Family): Row => ({
    sentence: `IPv${family}: one from outside is the stack's`,
    hook: "from_netdev",
    packet: wire(family, [world, node]).tcp(asked),
    verdict: "untouched",
  });

  describe("of a node without IPv6", () => {
    const testNode = made({ enableIpv6: false });
    table(() => testNode, [...served(4), notServed(6)]);
  });

  describe("of a node without IPv4", () => {
    const testNode = made({ enableIpv4: false });
    table(() => testNode, [...served(6), notServed(4)]);
  });

  describe("of a node without masquerading", () => {
    const testNode = made({ enableIpv4Masquerade: false, enableIpv6Masquerade: false });
    table(() => testNode, [...served(4), ...served(6)]);
  });

  describe("of a node without an address in a family, which has none to lend", () => {
    const testNode = made({ routingMode: "native", nodeIpv6: undefined });
    const rows: Row[] = [
      {
        sentence: "a client's packet is dropped (167)",
        hook: "from_netdev",
        packet: wire(6, [world, node]).tcp(asked),
        verdict: "drop 167",
      },
    ];
    table(() => testNode, rows);
  });
});

test("what an interface sends that is no pod's is refused (165)", () => {
  using bare = new TestNode();
  bare.map("tsi_ep_if").delete(new Uint8Array(new Uint32Array([1]).buffer));
  const outcome = bare.try({ hook: "from_container", packet: fromA(4, b).tcp(tcp).bytes() });
  assert.equal(outcome.verdict, "drop 165");
});

test("a pod without an IPv4 address cannot send from 0.0.0.0 (132)", () => {
  using node = new TestNode();
  const map = node.map("tsi_ep_if");
  const key = new Uint8Array(new Uint32Array([1]).buffer);
  const value = map.lookup(key) as Uint8Array;
  // struct endpoint, ipv4.
  value.fill(0, 24, 28);
  map.update(key, value);
  const packet = frame(4, [{ 4: "0.0.0.0", 6: "::" }, b]).tcp(tcp);
  assert.equal(node.try({ hook: "from_container", packet: packet.bytes() }).verdict, "drop 132");
});
