// What becomes of packets that the node's stack sends towards pods.
import { after } from "node:test";
import { cutIntoFragments, ether } from "@tsilium/net";
import { TestNode } from "./node.ts";
import { both, table, type Row } from "./table.ts";
import {
  b,
  frame,
  hop,
  macs,
  nobody,
  node,
  remotePod,
  router,
  toPod,
  type Family,
} from "./world.ts";

const testNode = new TestNode();
after(() => testNode[Symbol.dispose]());

const hook = "from_host";
const tcp = { sport: 40000, dport: 80, flags: "SYN" } as const;
const link = { src: macs.here, dst: macs.here };

const rows: Row[] = [
  ...both((family) => ({
    sentence: "the node reaches its pods; its stack already counted the hop",
    hook,
    packet: frame(family, [router, b], link).tcp(tcp),
    verdict: "redirect",
    out: toPod("b", family, [router, b], { ttl: 64 }).tcp(tcp),
  })),
  ...both((family) => ({
    sentence: "another node's pod is reached through the tunnel",
    hook,
    packet: frame(family, [router, remotePod], link).tcp(tcp),
    verdict: "redirect",
    out: frame(family, [router, remotePod], link).tcp(tcp),
  })),
  ...both((family) => ({
    sentence: "a pod's address without a pod is unroutable, and does not circle (151)",
    hook,
    packet: frame(family, [router, nobody], link).tcp(tcp),
    verdict: "drop 151",
  })),
  ...both((family) => ({
    sentence: "an error by a router on the way reaches the pod it concerns",
    hook,
    packet: errorFor(family, frame(family, [router, b], link)),
    verdict: "redirect",
    out: errorFor(family, toPod("b", family, [router, b], { ttl: 64 })),
  })),
  ...both((family) => ({
    sentence: "a fragment for a pod that precedes its first is dropped (175)",
    hook,
    packet: cutIntoFragments(
      frame(family, [node, b], link)
        .udp({ sport: 1, dport: 2, payload: new Uint8Array(3000) })
        .bytes(),
      { size: 1400, id: 3 },
    )[1] as Uint8Array,
    verdict: "drop 175",
  })),
  ...both((family) => ({
    sentence: "the stack's talk on its own link is nobody's business",
    hook,
    packet: frame(family, [router, { 4: "224.0.0.22", 6: "ff02::16" }], link).udp({
      sport: 1,
      dport: 2,
    }),
    verdict: "untouched",
  })),
  {
    sentence: "what is not IP is not ours",
    hook,
    packet: ether({ ...link, type: 0x0806 }).payload(new Uint8Array(46)),
    verdict: "untouched",
  },
];

/** Somewhere on the way pod b's packet was too large. */
function errorFor(family: Family, packet: ReturnType<typeof frame>) {
  const quoted = frame(family, [b, hop]).tcp(tcp).bytes().subarray(14);
  return family === 4
    ? packet.icmp({ type: "unreachable", code: 4, mtu: 1400, payload: quoted })
    : packet.icmpv6({ type: "packet-too-big", mtu: 1400, payload: quoted });
}

table(() => testNode, rows);
