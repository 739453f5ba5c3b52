// What becomes of packets that a pod sends.
import { after } from "node:test";
import { cutIntoFragments, ether } from "@tsilium/net";
import { TestNode } from "./node.ts";
import { both, table, type Row } from "./table.ts";
import {
  a,
  b,
  frame,
  fromA,
  hop,
  icmp,
  macs,
  nobody,
  node,
  remotePod,
  router,
  toPod,
  world,
  type Family,
} from "./world.ts";

const testNode = new TestNode();
after(() => testNode[Symbol.dispose]());

const hook = "from_container";
const tcp = { sport: 40000, dport: 80 };

const delivered: Row[] = [
  ...both((family) => ({
    sentence: "a connection to a pod of this node is handed to it, one hop older",
    hook,
    packet: fromA(family, b).tcp({ ...tcp, flags: "SYN" }),
    verdict: "redirect",
    out: toPod("b", family, [a, b]).tcp({ ...tcp, flags: "SYN" }),
  })),
  ...both((family) => ({
    sentence: "UDP to a pod of this node is handed to it",
    hook,
    packet: fromA(family, b).udp({ sport: 5000, dport: 53, payload: "query" }),
    verdict: "redirect",
    out: toPod("b", family, [a, b]).udp({ sport: 5000, dport: 53, payload: "query" }),
  })),
  ...both((family) => ({
    sentence: "a ping to a pod of this node is handed to it",
    hook,
    packet: icmp(fromA(family, b), family, "echo-request", 7),
    verdict: "redirect",
    out: icmp(toPod("b", family, [a, b]), family, "echo-request", 7),
  })),
  ...both((family) => ({
    sentence: "a packet for its own node goes to the stack as it is",
    hook,
    packet: fromA(family, node).tcp({ ...tcp, flags: "SYN" }),
    verdict: "pass",
  })),
  ...both((family) => ({
    sentence: "the gateway itself can be pinged",
    hook,
    packet: icmp(fromA(family, router), family, "echo-request", 7),
    verdict: "pass",
  })),
  ...both((family) => ({
    sentence: "a packet for another node's pod enters the tunnel, one hop older",
    hook,
    packet: fromA(family, remotePod).tcp({ ...tcp, flags: "SYN" }),
    verdict: "redirect",
    out: fromA(family, remotePod, { ttl: 63 }).tcp({ ...tcp, flags: "SYN" }),
  })),
  ...both((family) => ({
    sentence: "a packet for the world is the stack's to route",
    hook,
    packet: fromA(family, world).tcp({ ...tcp, flags: "SYN" }),
    verdict: "pass",
  })),
  ...both((family) => ({
    sentence: "an ICMP error about a packet that the pod received is delivered",
    hook,
    packet: errorAbout(family),
    verdict: "redirect",
    out: errorAbout(family, true),
  })),
];

/** Pod a found port 53 closed. */
function errorAbout(family: Family, atPod = false) {
  const packet = atPod ? toPod("b", family, [a, b]) : fromA(family, b);
  const quoted = frame(family, [b, a]).udp({ sport: 5000, dport: 53 }).bytes().subarray(14);
  return family === 4
    ? packet.icmp({ type: "unreachable", code: 3, payload: quoted })
    : packet.icmpv6({ type: "unreachable", code: 4, payload: quoted });
}

const refused: Row[] = [
  ...both((family) => ({
    sentence: "an address that is not the pod's is refused (132)",
    hook,
    packet: frame(family, [nobody, b]).tcp(tcp),
    verdict: "drop 132",
  })),
  ...both((family) => ({
    sentence: "another pod's address is refused (132)",
    hook,
    packet: frame(family, [b, world]).tcp(tcp),
    verdict: "drop 132",
  })),
  ...both((family) => ({
    sentence: "a link address that is not the pod's is refused (132)",
    hook,
    packet: fromA(family, b, { src: macs.stranger }).tcp(tcp),
    verdict: "drop 132",
  })),
  ...both((family) => ({
    sentence: "a frame for another link address than the gateway's is refused (166)",
    hook,
    packet: fromA(family, b, { dst: macs.stranger }).tcp(tcp),
    verdict: "drop 166",
  })),
  ...both((family) => ({
    sentence: "a pod that encapsulates for itself is refused (170)",
    hook,
    packet: fromA(family, { 4: "172.18.0.3", 6: "fc00:18::3" })
      .udp({ sport: 5000, dport: 8472 })
      .vxlan({ vni: 2001 })
      .ether()
      .ipv4({ src: "10.244.0.11", dst: "10.244.1.10" })
      .udp({ sport: 1, dport: 2 }),
    verdict: "drop 170",
  })),
  ...both((family) => ({
    sentence: "an IP header of another version is malformed (134)",
    hook,
    packet: wrongVersion(family),
    verdict: "drop 134",
  })),
  ...both((family) => ({
    sentence: "a TCP header cut short is refused (135)",
    hook,
    packet: fromA(family, b).tcp(tcp).bytes().slice(0, -6),
    verdict: "drop 135",
  })),
  ...both((family) => ({
    sentence: "a protocol that is not tracked is refused (137)",
    hook,
    packet: greTo(family),
    verdict: "drop 137",
  })),
  ...both((family) => ({
    sentence: "multicast is not routed (150)",
    hook,
    packet: fromA(family, { 4: "224.0.0.251", 6: "ff02::fb" }).udp({ sport: 5353, dport: 5353 }),
    verdict: "drop 150",
  })),
  ...both((family) => ({
    sentence: "a VLAN tag is refused (182)",
    hook,
    packet: tagged(family),
    verdict: "drop 182",
  })),
  ...both((family) => ({
    sentence: "a forged ICMP error about another pod's flow is refused (134)",
    hook,
    packet: forgedError(family),
    verdict: "drop 134",
  })),
  {
    sentence: "an EtherType that is neither IP nor ARP is refused (139)",
    hook,
    packet: ether({ src: macs.a, dst: macs.here, type: 0x88cc }).payload(new Uint8Array(50)),
    verdict: "drop 139",
  },
  {
    sentence: "IPv4: a TCP fragment that would overwrite flags is malformed (134, RFC 3128)",
    hook,
    packet: ether({ src: macs.a, dst: macs.here })
      .ipv4({ src: a[4], dst: b[4], protocol: 6, fragmentOffset: 8 })
      .payload(new Uint8Array(32)),
    verdict: "drop 134",
  },
];

function wrongVersion(family: Family): Uint8Array {
  const packet = fromA(family, b).tcp(tcp).bytes();
  packet[14] = family === 4 ? 0x65 : 0x40;
  return packet;
}

function greTo(family: Family) {
  const link = ether({ src: macs.a, dst: macs.here });
  const packet =
    family === 4
      ? link.ipv4({ src: a[4], dst: b[4], protocol: 47 })
      : link.ipv6({ src: a[6], dst: b[6], protocol: 47 });
  return packet.payload(new Uint8Array(24));
}

function tagged(family: Family) {
  const link = ether({ src: macs.a, dst: macs.here }).vlan({ id: 5 });
  const packet =
    family === 4 ? link.ipv4({ src: a[4], dst: b[4] }) : link.ipv6({ src: a[6], dst: b[6] });
  return packet.tcp(tcp);
}

/** It quotes what somebody else sent to pod b. */
function forgedError(family: Family) {
  const quoted = frame(family, [hop, b]).udp({ sport: 5000, dport: 53 }).bytes().subarray(14);
  return family === 4
    ? fromA(family, world).icmp({ type: "unreachable", code: 3, payload: quoted })
    : fromA(family, world).icmpv6({ type: "unreachable", code: 4, payload: quoted });
}

const limits: Row[] = [
  ...both((family) => ({
    sentence: "a packet whose hops end here is left to the stack to answer (196)",
    hook,
    packet: fromA(family, b, { ttl: 1 }).tcp(tcp),
    verdict: "answer 196",
  })),
  ...both((family) => ({
    sentence: "so is one for another node's pod (196)",
    hook,
    packet: fromA(family, remotePod, { ttl: 1 }).tcp(tcp),
    verdict: "answer 196",
  })),
  ...both((family) => ({
    sentence: "the largest packet that fits the tunnel enters it",
    hook,
    packet: sized(family, 1450),
    verdict: "redirect",
    out: sized(family, 1450, 63),
  })),
  ...both((family) => ({
    sentence: "one byte more is left to the stack, which says what would fit (136)",
    hook,
    packet: sized(family, 1451),
    verdict: "answer 136",
  })),
  {
    sentence: "IPv4: one byte more that may be fragmented, the stack fragments",
    hook,
    packet: sized(4, 1451, 64, false),
    verdict: "pass",
  },
  ...both((family) => ({
    sentence: "an uncut packet whose segments fit the tunnel enters it",
    hook,
    packet: sized(family, 3000),
    gsoSize: 1450 - (family === 4 ? 40 : 60),
    verdict: "redirect",
    out: sized(family, 3000, 63),
  })),
  ...both((family) => ({
    sentence: "an uncut packet whose segments do not fit does not (136)",
    hook,
    packet: sized(family, 3000),
    gsoSize: 1451 - (family === 4 ? 40 : 60),
    verdict: "answer 136",
  })),
];

/** A TCP segment to another node's pod of so many bytes, IP header included. */
function sized(family: Family, length: number, ttl = 64, dontFragment = true) {
  const headers = family === 4 ? 40 : 60;
  return fromA(family, remotePod, { ttl, dontFragment }).tcp({
    ...tcp,
    payload: new Uint8Array(length - headers),
  });
}

const datagram = (family: Family) =>
  fromA(family, b).udp({ sport: 5000, dport: 53, payload: new Uint8Array(3000) });
const pieces = (family: Family) =>
  cutIntoFragments(datagram(family).bytes(), { size: 1400, id: 77 }) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];

const fragments: Row[] = [
  ...both((family) => ({
    sentence: "a fragment after its first is delivered",
    hook,
    before: [{ hook, packet: pieces(family)[0] }],
    packet: pieces(family)[1],
    verdict: "redirect",
    out: olderFragment(family, 1),
  })),
  ...both((family) => ({
    sentence: "a fragment that precedes its first is dropped (175)",
    hook,
    packet: pieces(family)[1],
    verdict: "drop 175",
  })),
  ...both((family) => ({
    sentence: "another datagram's first fragment does not speak for it (175)",
    hook,
    before: [
      {
        hook,
        packet: cutIntoFragments(datagram(family).bytes(), { size: 1400, id: 78 })[0] as Uint8Array,
      },
    ],
    packet: pieces(family)[1],
    verdict: "drop 175",
  })),
  ...both((family) => ({
    sentence: "a fragment for the node that precedes its first is the stack's to reassemble",
    hook,
    packet: cutIntoFragments(
      fromA(family, node)
        .udp({ sport: 5000, dport: 53, payload: new Uint8Array(3000) })
        .bytes(),
      { size: 1400, id: 77 },
    )[1] as Uint8Array,
    verdict: "pass",
  })),
  ...both((family) => ({
    sentence: "a first fragment too small for its ports is refused (135)",
    hook,
    packet: cutIntoFragments(fromA(family, b).tcp(tcp).bytes(), {
      size: 8,
      id: 77,
    })[0] as Uint8Array,
    verdict: "drop 135",
  })),
  ...both((family) => ({
    sentence: "encapsulating in fragments is refused as well (170)",
    hook,
    packet: cutIntoFragments(
      fromA(family, world)
        .udp({ sport: 5000, dport: 8472, payload: new Uint8Array(3000) })
        .bytes(),
      { size: 1400, id: 77 },
    )[0] as Uint8Array,
    verdict: "drop 170",
  })),
];

function olderFragment(family: Family, index: number): Uint8Array {
  const whole = toPod("b", family, [a, b]).udp({
    sport: 5000,
    dport: 53,
    payload: new Uint8Array(3000),
  });
  return cutIntoFragments(whole.bytes(), { size: 1400, id: 77 })[index] as Uint8Array;
}

const extensions: Row[] = [
  {
    sentence: "IPv6: ports behind extension headers are found",
    hook,
    packet: chain(2),
    verdict: "redirect",
    out: chain(2, true),
  },
  {
    sentence: "IPv6: as many extension headers as the bound allows are walked",
    hook,
    packet: chain(6),
    verdict: "redirect",
    out: chain(6, true),
  },
  {
    sentence: "IPv6: a longer chain is refused (156)",
    hook,
    packet: chain(7),
    verdict: "drop 156",
  },
  {
    sentence: "IPv6: a chain that claims more than the packet has is refused (156)",
    hook,
    packet: chain(1).bytes().slice(0, 58),
    verdict: "drop 156",
  },
  {
    sentence: "IPv6: encapsulation behind an extension header is refused as well (170)",
    hook,
    packet: fromA(6, world)
      .extension({ kind: "destination" })
      .udp({ sport: 5000, dport: 8472, payload: "x" }),
    verdict: "drop 170",
  },
];

function chain(length: number, atPod = false) {
  let packet = atPod ? toPod("b", 6, [a, b]) : fromA(6, b);
  for (let i = 0; i < length; i++) packet = packet.extension({ kind: "destination" });
  return packet.tcp(tcp);
}

table(() => testNode, [...delivered, ...refused, ...limits, ...fragments, ...extensions]);
