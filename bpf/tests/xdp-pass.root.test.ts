// What XDP leaves to tc, untouched and uncounted: everything that it does not know all about.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { TypedMap } from "@tsilium/ebpf";
import { Address, cutIntoFragments, ether, type PacketBuilder } from "@tsilium/net";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { mappedBytes } from "../../packages/datapath/src/tables/address-key.ts";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { anyNode } from "./service-spec.ts";
import { inner, portUnreachable, segment, stacked } from "./service-world.ts";
import { type PacketLike, toBytes } from "./table.ts";
import {
  a,
  frame,
  icmp,
  node as nodeAddress,
  type Party,
  remotePod,
  router,
  world,
  type Family,
} from "./world.ts";
import { beside, links, xdpNetns } from "./xdp-netns.ts";
import { XdpNode } from "./xdp-node.ts";
import { both, xdpTable, type XdpRow } from "./xdp-table.ts";
import { fromClient, fromOtherNode, lb, populate, tunnelled } from "./xdp-world.ts";

const withServices = (changes: Partial<typeof plainServices>) => ({
  services: { ...plainServices, nodePort: true, ...changes },
});
const native = new XdpNode({ routingMode: "native" });
const tunnelling = new XdpNode();
const shortTunnel = new XdpNode({}, { tunnel_mtu: 1400 });
const direct = new XdpNode({ routingMode: "native", ...withServices({ dsr: "opt" }) });
const inIp = new XdpNode({ routingMode: "native", ...withServices({ dsr: "ipip" }) });
const off = new XdpNode({ routingMode: "native", ...withServices({ nodePort: false }) });
const onePort = new XdpNode({ routingMode: "native", natPortRange: [40_000, 40_000] });
const nodes = [native, tunnelling, shortTunnel, direct, inIp, off, onePort];
for (const node of nodes) populate(node);
after(() => nodes.forEach((node) => node[Symbol.dispose]()));

const client = 40_000;
const flow = { sport: client, dport: 80 };
const answer = { sport: 8080, dport: client, flags: ["SYN", "ACK"] } as const;
const ask = (family: Family, to: Party, from: Party = world) =>
  segment(fromClient(family, [from, to]), "tcp", flow);

/** A row of a frame that passes. */
const passes = (sentence: string, packetOf: (family: Family) => PacketLike): XdpRow[] =>
  both((family) => ({ sentence, packet: packetOf(family), verdict: "pass" }));

describe("frames that XDP does not read", () => {
  const ipv4 = () => ether({ src: links.gateway, dst: links.eth0 });
  const large = (family: Family) =>
    cutIntoFragments(
      fromClient(family, [world, lb.pod])
        .udp({ ...flow, payload: new Uint8Array(3000) })
        .bytes(),
      { size: 1400, id: 3 },
    );

  xdpTable(
    () => native,
    [
      ...passes("an empty one", () => fromClient(4, [world, lb.pod]).bytes().subarray(0, 14)),
      ...passes("ARP", () => ether({ type: 0x0806 }).payload(new Uint8Array(46))),
      ...passes("one with a VLAN tag", (family) => tagged(ask(family, lb.pod).bytes())),
      {
        // They are what the ports of the datagram would be without them.
        sentence: "IPv4 with options",
        packet: ipv4()
          .ipv4({ src: world[4], dst: lb.pod[4], options: Uint8Array.of(0x9c, 0x40, 0, 80) })
          .udp({ ...flow, payload: "x" }),
        verdict: "pass",
      },
      {
        sentence: "IPv4 that is of another version",
        packet: at(ask(4, lb.pod), 14, 0x65),
        verdict: "pass",
      },
      {
        sentence: "IPv6 that is of another version",
        packet: at(ask(6, lb.pod), 14, 0x40),
        verdict: "pass",
      },
      {
        sentence: "a later fragment of IPv4 that looks like a whole packet",
        packet: ipv4()
          .ipv4({ src: world[4], dst: lb.pod[4], fragmentOffset: 8 })
          .udp({ ...flow, payload: "x" }),
        verdict: "pass",
      },
      {
        sentence: "IPv6 with an extension header",
        packet: ipv4()
          .ipv6({ src: world[6], dst: lb.pod[6] })
          .extension({ kind: "destination" })
          .tcp({ ...flow, flags: "SYN" }),
        verdict: "pass",
      },
      {
        sentence: "IPv6 with addresses that are IPv4's",
        packet: ipv4()
          .ipv6({ src: `::ffff:${world[4]}`, dst: `::ffff:${lb.pod[4]}` })
          .tcp({ ...flow, flags: "SYN" }),
        verdict: "pass",
      },
      ...passes("a first fragment", (family) => large(family)[0] as Uint8Array),
      ...passes("a later one", (family) => large(family)[1] as Uint8Array),
      ...passes("a ping", (family) =>
        icmp(fromClient(family, [world, lb.pod]), family, "echo-request", 1),
      ),
      ...passes("an ICMP error about a service's flow", (family) =>
        portUnreachable(
          fromClient(family, [world, lb.pod]),
          family,
          segment(frame(family, [lb.pod, world]), "tcp", { sport: 80, dport: client }),
        ),
      ),
      ...passes("SCTP", (family) => segment(fromClient(family, [world, lb.pod]), "sctp", flow)),
      ...passes("a TCP header that is cut off", (family) =>
        ask(family, lb.pod).bytes().slice(0, -1),
      ),
      ...passes("a TCP header shorter than TCP's", (family) =>
        at(ask(family, lb.pod), (family === 4 ? 34 : 54) + 12, 0x40),
      ),
      ...passes("a UDP header that is cut off", (family) =>
        segment(fromClient(family, [world, lb.pod]), "udp", flow)
          .bytes()
          .slice(0, -2),
      ),
      ...passes("an IP packet that says to be longer than its frame", (family) =>
        at(ask(family, lb.pod), family === 4 ? 17 : 19, 200),
      ),
      ...passes("one that says to be shorter than its headers", (family) =>
        at(ask(family, lb.pod), family === 4 ? 17 : 19, 10),
      ),
      ...passes("a datagram that does", (family) =>
        at(
          segment(fromClient(family, [world, lb.pod]), "udp", flow),
          family === 4 ? 17 : 19,
          family === 4 ? 27 : 7,
        ),
      ),
      ...([0, 1] as const).flatMap((ttl) =>
        passes(`a last hop (${ttl})`, (family) =>
          segment(fromClient(family, [world, lb.pod], { ttl }), "tcp", flow),
        ),
      ),
      ...(["tcp", "udp"] as const).flatMap((name) =>
        passes(`${name} whose checksum the sender left to a device`, (family) =>
          unfinished(segment(fromClient(family, [world, lb.pod]), name, flow).bytes(), family),
        ),
      ),
    ],
  );
});

describe("packets that are not for a backend elsewhere", () => {
  xdpTable(
    () => native,
    [
      ...passes("for no service", (family) => ask(family, nodeAddress)),
      ...passes("for a service's address, but none of its ports", (family) =>
        segment(fromClient(family, [world, lb.pod]), "tcp", { sport: client, dport: 81 }),
      ),
      ...passes("for a pod here", (family) => ask(family, a)),
      ...passes("for another host, as a router", (family) => ask(family, beside)),
      ...passes("for a cluster IP, which tc drops (174)", (family) => ask(family, lb.clusterIp)),
      ...passes("from outside the source ranges, which tc drops (177)", (family) =>
        ask(family, lb.ranged),
      ),
      ...passes("from this node's own address, which tc drops (132)", (family) =>
        ask(family, lb.pod, nodeAddress),
      ),
      ...passes("from a pod's of this node", (family) => ask(family, lb.pod, a)),
      ...passes("from loopback", (family) => ask(family, lb.pod, { 4: "127.0.0.1", 6: "::1" })),
      ...passes("from a group", (family) => ask(family, lb.pod, { 4: "224.0.0.5", 6: "ff02::5" })),
      ...passes("from nowhere", (family) => ask(family, lb.pod, { 4: "0.0.0.0", 6: "::" })),
      ...passes("for a service without backends, which tc answers", (family) =>
        ask(family, lb.nobody),
      ),
      ...passes("whose backend is a pod here", (family) => ask(family, lb.local)),
      ...passes("whose backend is this node", (family) => ask(family, lb.host)),
    ],
  );

  xdpTable(
    () => off,
    passes("of services that are not served for clients from outside", (family) =>
      ask(family, lb.pod),
    ),
  );
  xdpTable(
    () => tunnelling,
    passes("from another node's pod past the tunnel, which tc drops (132)", (family) =>
      ask(family, lb.pod, remotePod),
    ),
  );
  const podPort: Party = { 4: "10.244.0.10", 6: "fd00:10:244::a" };
  test("for a pod here whose address is a service's as well", () => {
    using fresh = new XdpNode({ routingMode: "native" });
    fresh.tc.services.set([
      {
        frontends: [{ at: podPort, port: 80, kind: "external" }],
        backends: [{ at: remotePod, port: 8080 }],
      },
    ]);
    for (const family of [4, 6] as const)
      assert.equal(fresh.try(ask(family, podPort).bytes()).verdict, "pass");
  });
});

describe("ways that XDP does not go", () => {
  xdpTable(
    () => native,
    [
      ...passes("to a host that nobody has resolved", (family) => ask(family, lb.unresolved)),
      ...passes("to one that no route leads to", (family) => ask(family, lb.unroutable)),
      ...passes("by a device that it has not run at", (family) => ask(family, lb.beside)),
      ...passes("of a frame for another link address", (family) =>
        segment(fromClient(family, [world, lb.pod], { dst: links.otherNode }), "tcp", flow),
      ),
      ...passes("of a broadcast", (family) =>
        segment(fromClient(family, [world, lb.pod], { dst: "ff:ff:ff:ff:ff:ff" }), "tcp", flow),
      ),
    ],
  );

  for (const family of [4, 6] as const) {
    const ofSize = (size: number, to: Party) =>
      segment(fromClient(family, [world, to]), "udp", {
        ...flow,
        payload: "x".repeat(size - (family === 4 ? 28 : 48)),
      }).bytes();
    const widths: readonly [string, XdpNode, Party, number][] = [
      ["by a device", native, lb.pod, 1500],
      ["through a tunnel", tunnelling, lb.pod, 1450],
      ["through one around which IPv6 is", tunnelling, lb.podBehindIpv6, 1430],
      ["through one that is made for less", shortTunnel, lb.pod, 1400],
    ];
    for (const [way, node, to, width] of widths)
      test(`IPv${family}: ${way} that the packet does not fit`, () => {
        node.tc.reset();
        assert.equal(node.try(ofSize(width, to)).verdict, "tx");
        assert.equal(node.try(ofSize(width + 1, to)).verdict, "pass");
      });

    test(`IPv${family}: where the device does not forward`, () => {
      const netns = xdpNetns();
      const name = family === 4 ? "ipv4/conf/eth0/forwarding" : "ipv6/conf/eth0/forwarding";
      netns.sysctl(name, 0);
      try {
        assert.equal(native.try(ask(family, lb.pod).bytes()).verdict, "pass");
      } finally {
        netns.sysctl(name, 1);
      }
      assert.equal(native.try(ask(family, lb.pod).bytes()).verdict, "tx");
    });

    test(`IPv${family}: with a port that another client has, when there is no more`, () => {
      onePort.tc.reset();
      assert.equal(onePort.try(ask(family, lb.pod).bytes()).verdict, "tx");
      const other: Party = { 4: "203.0.113.11", 6: "2001:db8:113::11" };
      assert.equal(onePort.try(ask(family, lb.pod, other).bytes()).verdict, "pass");
    });
  }

  xdpTable(
    () => tunnelling,
    both((family) => ({
      sentence: "into IPv6, of a datagram that has no checksum to make one from",
      packet: fromClient(family, [world, lb.podBehindIpv6]).udp({ ...flow, checksum: 0 }),
      verdict: "pass",
    })),
  );

  test("from a sender behind another device, until this one's address is known", () => {
    using fresh = new XdpNode({ routingMode: "native" });
    populate(fresh);
    for (const family of [4, 6] as const) {
      const frameFor = (dst: string) =>
        segment(fromClient(family, [beside, lb.pod], { dst }), "tcp", flow).bytes();
      for (const dst of [links.eth0, links.eth1])
        assert.equal(fresh.try(frameFor(dst)).verdict, "pass");
    }
    assert.equal(fresh.try(ask(4, lb.pod).bytes()).verdict, "tx");
    const known = segment(fromClient(4, [beside, lb.pod]), "tcp", flow).bytes();
    assert.equal(fresh.try(known).verdict, "tx");
  });

  test("while somebody traces", () => {
    const runtime = new TypedMap(native.tc.map("tsi_runtime"), abi.mapCodecs.tsi_runtime);
    const state = runtime.lookup(0);
    assert.ok(state);
    runtime.update(0, { ...state, trace: 1 });
    try {
      assert.equal(native.try(ask(4, lb.pod).bytes()).verdict, "pass");
    } finally {
      runtime.update(0, state);
    }
  });
});

describe("pods that answer their clients directly", () => {
  const rows = [
    ...passes("their nodes are told by tc, in a SYN", (family) => ask(family, lb.dsr)),
    ...passes("and in each datagram", (family) =>
      segment(fromClient(family, [world, lb.dsr]), "udp", flow),
    ),
  ];
  xdpTable(() => direct, rows);
  xdpTable(
    () => inIp,
    passes("what travels in a packet of the node's is tc's", (family) =>
      segment(fromClient(family, [world, lb.dsr]), "tcp", { ...flow, flags: "ACK" }),
    ),
  );
});

describe("answers that XDP does not know whose they are", () => {
  const back = (family: Family) =>
    segment(fromOtherNode(family, [remotePod, nodeAddress]), "tcp", answer);

  xdpTable(
    () => native,
    [
      ...passes("to nobody", back),
      ...passes("out of a tunnel, where there is none", (family) =>
        tunnelled(segment(inner(family, [remotePod, router]), "tcp", answer)),
      ),
    ],
  );

  for (const family of [4, 6] as const) {
    test(`IPv${family}: to a pod that was masqueraded`, () => {
      native.tc.reset();
      const out = segment(stacked(family, [a, world]), "tcp", { sport: client, dport: 443 });
      assert.equal(native.tc.try({ hook: "to_netdev", packet: out.bytes() }).verdict, "pass");
      const reply = segment(fromClient(family, [world, nodeAddress]), "tcp", {
        sport: 443,
        dport: client,
        flags: ["SYN", "ACK"],
      });
      assert.equal(native.try(reply.bytes()).verdict, "pass");
      assert.equal(native.byTc(reply.bytes()).verdict, "redirect", "it is one");
    });

    test(`IPv${family}: from a port of any node, which tc knows by its answer`, () => {
      native.tc.reset();
      assert.equal(native.try(ask(family, lb.pod).bytes()).verdict, "tx");
      const { tsi_lb_address: codecs } = abi.mapCodecs;
      const addresses = new TypedMap(native.tc.map("tsi_lb_address"), codecs);
      const id = native.tc.services.frontendId(family, { at: lb.pod, port: 80 });
      const known = addresses.lookup(id);
      assert.ok(known);
      addresses.update(id, { ...known, address: mappedBytes(Address.parse(anyNode[family])) });
      try {
        assert.equal(native.try(back(family).bytes()).verdict, "pass");
      } finally {
        addresses.update(id, known);
      }
      assert.equal(native.try(back(family).bytes()).verdict, "tx");
    });

    test(`IPv${family}: from a service that is gone`, () => {
      native.tc.reset();
      assert.equal(native.try(ask(family, lb.pod).bytes()).verdict, "tx");
      assert.equal(native.try(back(family).bytes()).verdict, "tx");
      native.tc.services.set([]);
      try {
        assert.equal(native.try(back(family).bytes()).verdict, "pass");
      } finally {
        populate(native);
      }
    });
  }
});

describe("tunnelled answers that XDP does not believe, or not do", () => {
  const reply = (family: Family) => segment(inner(family, [remotePod, router]), "tcp", answer);
  const stranger: Party = { 4: "172.18.0.99", 6: "fc00:18::99" };
  const cases: Readonly<Record<string, (family: Family) => PacketLike>> = {
    "from a stranger": (family) => tunnelled(reply(family), { from: stranger }),
    "from this node itself": (family) => tunnelled(reply(family), { from: nodeAddress }),
    "to another address of this node": (family) => tunnelled(reply(family), { to: router }),
    "that say nobody sent them": (family) => tunnelled(reply(family), { vni: 0 }),
    "without a VNI": (family) => tunnelled(reply(family), { flags: 0 }),
    "of another version": (family) => tunnelled(reply(family), { flags: 0x88 }),
    "with something in a reserved field": (family) => at(tunnelled(reply(family)), 49, 1),
    "that were overheard": (family) => toAnother(tunnelled(reply(family))),
    "that met congestion": (family) => tunnelled(reply(family), { trafficClass: 3 }),
    "for a pod": (family) => tunnelled(segment(inner(family, [remotePod, a]), "tcp", answer)),
    "for nobody": (family) =>
      tunnelled(segment(inner(family, [remotePod, router]), "tcp", { ...answer, dport: 1 })),
    "at their last hop": (family) =>
      tunnelled(segment(inner(family, [remotePod, router], { ttl: 1 }), "tcp", answer)),
    "whose checksum is unfinished": (family) =>
      tunnelled(unfinished(reply(family).bytes(), family)),
    "that are not IP": () => tunnelled(ether({ type: 0x0806 }).payload(new Uint8Array(46))),
    "that are cut off": (family) => tunnelled(reply(family)).bytes().slice(0, -1),
    "that are nothing": () => tunnelled(new Uint8Array()),
  };

  for (const family of [4, 6] as const)
    for (const [what, packetOf] of Object.entries(cases))
      test(`IPv${family}: ${what}`, () => {
        tunnelling.tc.reset();
        assert.equal(tunnelling.try(ask(family, lb.pod).bytes()).verdict, "tx");
        const packet = toBytes(packetOf(family));
        assert.equal(tunnelling.try(packet).verdict, "pass");
        assert.equal(tunnelling.try(tunnelled(reply(family)).bytes()).verdict, "tx");
      });
});

/** To the link address of somebody else. */
function toAnother(packet: PacketBuilder): Uint8Array {
  return at(packet, 5, 0x99);
}

/** With another byte there. */
function at(packet: PacketBuilder, offset: number, byte: number): Uint8Array {
  const bytes = packet.bytes();
  bytes[offset] = byte;
  return bytes;
}

function tagged(frame: Uint8Array): Uint8Array {
  return Uint8Array.from([...frame.subarray(0, 12), 0x81, 0, 0, 7, ...frame.subarray(12)]);
}

/** With the pseudo header's sum, not complemented, where the checksum is to be (CHECKSUM_PARTIAL). */
function unfinished(bytes: Uint8Array, family: Family): Uint8Array {
  const ip = 14;
  const [addresses, l4] = family === 4 ? [26, 34] : [22, 54];
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const protocol = bytes[ip + (family === 4 ? 9 : 6)] ?? 0;
  let sum = protocol + bytes.length - l4;
  for (let at = addresses; at < l4; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  view.setUint16(l4 + (protocol === 6 ? 16 : 6), sum);
  return bytes;
}
