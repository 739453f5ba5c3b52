// What becomes of packets that other nodes send through the tunnel.
import { after } from "node:test";
import { cutIntoFragments, ether } from "@tsilium/net";
import { TestNode } from "./node.ts";
import { both, table, type Row } from "./table.ts";
import {
  a,
  frame,
  macs,
  nobody,
  otherNode,
  remotePod,
  router,
  toPod,
  type Family,
} from "./world.ts";

const testNode = new TestNode();
after(() => testNode[Symbol.dispose]());

const hook = "from_overlay";
const tunnel = { outerSource: otherNode[4], vni: 2001 };
const tcp = { sport: 40000, dport: 80 };
/** Inner frames are addressed to some device of the sender's. */
const inner = { src: macs.stranger, dst: macs.stranger };

const rows: Row[] = [
  ...both((family) => ({
    sentence: "a packet for a pod is handed to it, one hop older",
    hook,
    tunnel,
    packet: frame(family, [remotePod, a], inner).tcp({ ...tcp, flags: "SYN" }),
    verdict: "redirect",
    out: toPod("a", family, [remotePod, a]).tcp({ ...tcp, flags: "SYN" }),
  })),
  ...both((family) => ({
    sentence: "a packet for the node goes to its stack",
    hook,
    tunnel,
    packet: frame(family, [remotePod, router], inner).tcp({ ...tcp, flags: "SYN" }),
    verdict: "pass",
  })),
  ...both((family) => ({
    sentence: "an outer address that is no node's is not believed (172)",
    hook,
    tunnel: { ...tunnel, outerSource: "172.18.0.66" },
    packet: frame(family, [remotePod, a], inner).tcp(tcp),
    verdict: "drop 172",
  })),
  ...both((family) => ({
    sentence: "nor is one's own address (172)",
    hook,
    tunnel: { ...tunnel, outerSource: "172.18.0.2" },
    packet: frame(family, [remotePod, a], inner).tcp(tcp),
    verdict: "drop 172",
  })),
  ...both((family) => ({
    sentence: "a VNI without an identity is refused (183)",
    hook,
    tunnel: { ...tunnel, vni: 0 },
    packet: frame(family, [remotePod, a], inner).tcp(tcp),
    verdict: "drop 183",
  })),
  ...both((family) => ({
    sentence: "a packet that did not come through a tunnel is refused (147)",
    hook,
    packet: frame(family, [remotePod, a], inner).tcp(tcp),
    verdict: "drop 147",
  })),
  ...both((family) => ({
    sentence: "an address without a pod is unroutable (151)",
    hook,
    tunnel,
    packet: frame(family, [remotePod, nobody], inner).tcp(tcp),
    verdict: "drop 151",
  })),
  ...both((family) => ({
    sentence: "a packet whose hops end here is left to the stack to answer (196)",
    hook,
    tunnel,
    packet: frame(family, [remotePod, a], { ...inner, ttl: 1 }).tcp(tcp),
    verdict: "answer 196",
  })),
  ...both((family) => ({
    sentence: "a fragment after its first is delivered",
    hook,
    tunnel,
    before: [{ hook, tunnel, packet: pieces(family)[0] as Uint8Array }],
    packet: pieces(family)[1] as Uint8Array,
    verdict: "redirect",
    out: pieces(family, true)[1] as Uint8Array,
  })),
  ...both((family) => ({
    sentence: "a fragment that precedes its first is dropped (175)",
    hook,
    tunnel,
    packet: pieces(family)[1] as Uint8Array,
    verdict: "drop 175",
  })),
  {
    sentence: "what is not IP is refused (139)",
    hook,
    tunnel,
    packet: ether({ ...inner, type: 0x0806 }).payload(new Uint8Array(46)),
    verdict: "drop 139",
  },
];

function pieces(family: Family, atPod = false): Uint8Array[] {
  const parties = [remotePod, a] as const;
  const packet = atPod ? toPod("a", family, parties) : frame(family, parties, inner);
  const datagram = packet.udp({ sport: 5000, dport: 53, payload: new Uint8Array(3000) });
  return cutIntoFragments(datagram.bytes(), { size: 1400, id: 9 });
}

table(() => testNode, rows);
