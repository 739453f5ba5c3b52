// The gateway's side of ARP and neighbour discovery on a pod's link.
import { after } from "node:test";
import { ether } from "@tsilium/net";
import { TestNode } from "./node.ts";
import { table, type Row } from "./table.ts";
import { a, b, macs, nobody, router } from "./world.ts";

const testNode = new TestNode();
after(() => testNode[Symbol.dispose]());

const hook = "from_container";
const linkLocal = "fe80::a";
const broadcast = "ff:ff:ff:ff:ff:ff";

const arpFrom = (sender: string, target: string, senderMac = macs.a) =>
  ether({ src: macs.a, dst: broadcast }).arp({ operation: "request", senderMac, sender, target });

const arp: Row[] = [
  {
    sentence: "ARP for the gateway is answered with the host-side link address",
    hook,
    packet: arpFrom(a[4], router[4]),
    verdict: "redirect",
    out: ether({ src: macs.gatewayOfA, dst: macs.a }).arp({
      operation: "reply",
      senderMac: macs.gatewayOfA,
      sender: router[4],
      targetMac: macs.a,
      target: a[4],
    }),
  },
  {
    sentence: "a probe for the gateway before the pod has its address is answered",
    hook,
    packet: arpFrom("0.0.0.0", router[4]),
    verdict: "redirect",
    out: ether({ src: macs.gatewayOfA, dst: macs.a }).arp({
      operation: "reply",
      senderMac: macs.gatewayOfA,
      sender: router[4],
      targetMac: macs.a,
      target: "0.0.0.0",
    }),
  },
  {
    sentence: "ARP for another address has no answer (150)",
    hook,
    packet: arpFrom(a[4], b[4]),
    verdict: "drop 150",
  },
  {
    sentence: "an announcement of the pod's own address is taken in",
    hook,
    packet: arpFrom(a[4], a[4]),
    verdict: "absorb",
  },
  {
    sentence: "ARP that speaks for another address is refused (132)",
    hook,
    packet: arpFrom(b[4], router[4]),
    verdict: "drop 132",
  },
  {
    sentence: "ARP that speaks for another link address is refused (132)",
    hook,
    packet: arpFrom(a[4], router[4], macs.stranger),
    verdict: "drop 132",
  },
  {
    sentence: "ARP cut short is malformed (134)",
    hook,
    packet: arpFrom(a[4], router[4]).bytes().slice(0, 40),
    verdict: "drop 134",
  },
];

const solicitation = (source: string, target: string, hopLimit = 255) =>
  ether({ src: macs.a, dst: "33:33:ff:00:00:01" })
    .ipv6({ src: source, dst: "ff02::1:ff00:1", hopLimit })
    .icmpv6({ type: "neighbour-solicitation", target, linkLayer: macs.a });

const advertisement = (to: string) =>
  ether({ src: macs.gatewayOfA, dst: macs.a })
    .ipv6({ src: router[6], dst: to, hopLimit: 255 })
    .icmpv6({
      type: "neighbour-advertisement",
      target: router[6],
      linkLayer: macs.gatewayOfA,
      advertisement: { router: true, solicited: true, override: true },
    });

const message = (type: number, source: string) =>
  ether({ src: macs.a, dst: "33:33:00:00:00:02" })
    .ipv6({ src: source, dst: "ff02::2", hopLimit: 255 })
    .icmpv6({ type });

const neighbourDiscovery: Row[] = [
  {
    sentence: "a solicitation for the gateway is answered",
    hook,
    packet: solicitation(a[6], router[6]),
    verdict: "redirect",
    out: advertisement(a[6]),
  },
  {
    sentence: "also when it comes from the pod's link-local address",
    hook,
    packet: solicitation(linkLocal, router[6]),
    verdict: "redirect",
    out: advertisement(linkLocal),
  },
  {
    sentence: "and without a link-layer option, which makes the answer longer than the question",
    hook,
    packet: ether({ src: macs.a, dst: macs.here })
      .ipv6({ src: a[6], dst: router[6], hopLimit: 255 })
      .icmpv6({ type: "neighbour-solicitation", target: router[6] }),
    verdict: "redirect",
    out: advertisement(a[6]),
  },
  {
    sentence: "a solicitation that crossed a router is malformed (134, RFC 4861 7.1.1)",
    hook,
    packet: solicitation(a[6], router[6], 254),
    verdict: "drop 134",
  },
  {
    sentence: "a solicitation from another pod's address is refused (132)",
    hook,
    packet: solicitation(b[6], router[6]),
    verdict: "drop 132",
  },
  {
    sentence: "a solicitation for another address has no answer (150)",
    hook,
    packet: solicitation(a[6], nobody[6]),
    verdict: "drop 150",
  },
  {
    sentence: "duplicate address detection is met with silence",
    hook,
    packet: solicitation("::", a[6]),
    verdict: "absorb",
  },
  {
    sentence: "a router solicitation is taken in",
    hook,
    packet: message(133, linkLocal),
    verdict: "absorb",
  },
  {
    sentence: "a multicast listener report, behind its hop-by-hop header, is taken in",
    hook,
    packet: ether({ src: macs.a, dst: "33:33:00:00:00:16" })
      .ipv6({ src: linkLocal, dst: "ff02::16", hopLimit: 1 })
      .extension({ kind: "hop-by-hop", body: Uint8Array.of(5, 2, 0, 0, 1, 0) })
      .icmpv6({ type: 143 }),
    verdict: "absorb",
  },
  {
    sentence: "a router advertisement from a pod is refused (176)",
    hook,
    packet: message(134, linkLocal),
    verdict: "drop 176",
  },
  {
    sentence: "a redirect from a pod is refused (176)",
    hook,
    packet: message(137, linkLocal),
    verdict: "drop 176",
  },
  {
    sentence: "anything else from a link-local address is refused (132)",
    hook,
    packet: ether({ src: macs.a, dst: macs.here })
      .ipv6({ src: linkLocal, dst: b[6] })
      .udp({ sport: 1, dport: 2 }),
    verdict: "drop 132",
  },
];

table(() => testNode, [...arp, ...neighbourDiscovery]);
