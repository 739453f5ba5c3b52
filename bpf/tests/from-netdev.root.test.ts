// What becomes of packets that reach the node from the underlay, replies to masqueraded ones aside
// (masquerade.root.test.ts).
import { after, describe } from "node:test";
import { cutIntoFragments, ether } from "@tsilium/net";
import { TestNode } from "./node.ts";
import { both, table, type Row } from "./table.ts";
import {
  a,
  b,
  frame,
  macs,
  nobody,
  node,
  otherNode,
  remotePod,
  toPod,
  world,
  type Family,
  type IpOptions,
  type Party,
} from "./world.ts";

const tunnelling = new TestNode();
const native = new TestNode({ routingMode: "native" });
after(() => tunnelling[Symbol.dispose]());
after(() => native[Symbol.dispose]());

const hook = "from_netdev";
const tcp = { sport: 40000, dport: 80, flags: "SYN" } as const;
const wire = (family: Family, parties: readonly [Party, Party], options: IpOptions = {}) =>
  frame(family, parties, { src: macs.stranger, dst: macs.here, ...options });

describe("from the underlay with native routing", () => {
  const rows: Row[] = [
    ...both((family) => ({
      sentence: "another node's pod reaches ours",
      hook,
      packet: wire(family, [remotePod, a]).tcp(tcp),
      verdict: "redirect",
      out: toPod("a", family, [remotePod, a]).tcp(tcp),
    })),
    ...both((family) => ({
      sentence: "the address of a pod of this node cannot come from there (132)",
      hook,
      packet: wire(family, [b, a]).tcp(tcp),
      verdict: "drop 132",
    })),
    ...both((family) => ({
      sentence: "nor can the node's own (132)",
      hook,
      packet: wire(family, [node, a]).tcp(tcp),
      verdict: "drop 132",
    })),
    ...both((family) => ({
      sentence: "a fragment that precedes its first is dropped (175)",
      hook,
      packet: cutIntoFragments(
        wire(family, [remotePod, a])
          .udp({ sport: 1, dport: 2, payload: new Uint8Array(3000) })
          .bytes(),
        { size: 1400, id: 3 },
      )[1] as Uint8Array,
      verdict: "drop 175",
    })),
  ];

  table(() => native, rows);
});

describe("from the underlay in tunnel mode", () => {
  const rows: Row[] = [
    ...both((family) => ({
      sentence: "a remote pod's address is believed from the tunnel only (132)",
      hook,
      packet: wire(family, [remotePod, a]).tcp(tcp),
      verdict: "drop 132",
    })),
    ...both((family) => ({
      sentence: "a world host that has a route to pods reaches them",
      hook,
      packet: wire(family, [world, a]).tcp(tcp),
      verdict: "redirect",
      out: toPod("a", family, [world, a]).tcp(tcp),
    })),
    ...both((family) => ({
      sentence: "tunnelled packets are the stack's to take apart",
      hook,
      packet: wire(family, [otherNode, node])
        .udp({ sport: 5000, dport: 8472 })
        .vxlan({ vni: 2001 })
        .ether()
        .ipv4({ src: remotePod[4], dst: a[4] })
        .tcp(tcp),
      verdict: "untouched",
    })),
    ...both((family) => ({
      sentence: "a fragment for the node is the stack's to reassemble",
      hook,
      packet: cutIntoFragments(
        wire(family, [world, node])
          .udp({ sport: 1, dport: 2, payload: new Uint8Array(3000) })
          .bytes(),
        { size: 1400, id: 3 },
      )[1] as Uint8Array,
      verdict: "untouched",
    })),
    ...both((family) => ({
      sentence: "an address without a pod is the stack's to route, which sends it to from_host",
      hook,
      packet: wire(family, [world, nobody]).tcp(tcp),
      verdict: "untouched",
    })),
    ...both((family) => ({
      sentence: "a malformed packet is the stack's to judge",
      hook,
      packet: wire(family, [world, node]).tcp(tcp).bytes().slice(0, -6),
      verdict: "untouched",
    })),
    {
      sentence: "what is not IP is not ours",
      hook,
      packet: ether({ src: macs.stranger, dst: macs.here, type: 0x0806 }).payload(
        new Uint8Array(46),
      ),
      verdict: "untouched",
    },
    {
      sentence: "a frame for somebody else is not ours",
      hook,
      packet: wire(4, [world, a], { dst: macs.b }).tcp(tcp),
      verdict: "untouched",
    },
  ];

  table(() => tunnelling, rows);
});
