// Records of packets and the flows that they are: each row a record, and all that its flow says.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventDirection, eventKind, policyVerdict } from "@tsilium/datapath";
import { ether, type PacketBuilder } from "@tsilium/net";
import { ObservationPoint, TraceReason, TrafficDirection, Verdict } from "../model.ts";
import {
  cart,
  db,
  loadBalancer,
  node1,
  packetRecord,
  scene,
  told,
  web,
  worldClient,
} from "./testing/world.ts";

const { ingress, egress } = eventDirection;
const frame = ether({ src: "02:00:00:00:00:01", dst: "02:00:00:00:00:02" });
const macs = "02:00:00:00:00:01 > 02:00:00:00:00:02";

const ipv4 = (src: string, dst: string) => frame.ipv4({ src, dst });
const tcp = (src: string, dst: string, ports: [number, number], flags: "SYN" | "ACK" = "SYN") =>
  ipv4(src, dst).tcp({ sport: ports[0], dport: ports[1], flags: [flags] });

const webText = "shop/web-1 (7, 4711) of Deployment web in default";
const dbText = "shop/db-0 (8, 4712) of StatefulSet db in default";
const cartText = "shop/cart (0, 4713) in default";
const worldText = "reserved:world-ipv4 (0, 9)";
const hostText = "reserved:host (0, 1)";

type Row = {
  readonly name: string;
  readonly header: Parameters<typeof packetRecord>[0];
  readonly packet: PacketBuilder;
  /** Without what is the same in all rows. */
  readonly flow: Record<string, unknown>;
};

const traces: readonly Row[] = [
  {
    name: "a pod's first packet to another pod of the node, as the one that gets it sees it",
    header: {
      kind: eventKind.trace,
      code: ObservationPoint.toLxc,
      reason: TraceReason.new,
      endpointId: db.id,
      direction: ingress,
      ifindex: 12,
      sourceIdentity: web.identity,
      destinationIdentity: db.identity,
    },
    packet: tcp(web.ipv4, db.ipv4, [40_000, 5432]),
    flow: {
      verdict: Verdict.forwarded,
      ip: "v1 10.244.0.5 > 10.244.0.6",
      l4: "tcp 40000 > 5432",
      source: webText,
      destination: dbText,
      isReply: false,
      eventType: "4:0",
      direction: TrafficDirection.ingress,
      observationPoint: ObservationPoint.toLxc,
      traceReason: TraceReason.new,
      interface: "12 lxcweb",
      summary: "TCP Flags: SYN",
    },
  },
  {
    name: "the reply to that: of a connection that the pod which gets it opened, so egress",
    header: {
      kind: eventKind.trace,
      code: ObservationPoint.toLxc,
      reason: TraceReason.reply,
      reply: 1,
      endpointId: web.id,
      direction: ingress,
      sourceIdentity: db.identity,
      destinationIdentity: web.identity,
    },
    packet: tcp(db.ipv4, web.ipv4, [5432, 40_000], "ACK"),
    flow: {
      verdict: Verdict.forwarded,
      ip: "v1 10.244.0.6 > 10.244.0.5",
      l4: "tcp 5432 > 40000",
      source: dbText,
      destination: webText,
      isReply: true,
      eventType: "4:0",
      direction: TrafficDirection.egress,
      observationPoint: ObservationPoint.toLxc,
      traceReason: TraceReason.reply,
      summary: "TCP Flags: ACK",
    },
  },
  {
    name: "a packet to a pod of another node, by the tunnel",
    header: {
      kind: eventKind.trace,
      code: ObservationPoint.toOverlay,
      reason: TraceReason.established,
      endpointId: web.id,
      ifindex: 12,
      sourceIdentity: web.identity,
      destinationIdentity: cart.identity,
    },
    packet: frame.ipv6({ src: web.ipv6, dst: cart.ipv6 }).udp({ sport: 53_000, dport: 53 }),
    flow: {
      verdict: Verdict.forwarded,
      ip: "v2 fd00:10:244::5 > fd00:10:244:1::9",
      l4: "udp 53000 > 53",
      source: webText,
      destination: cartText,
      isReply: false,
      eventType: "4:4",
      direction: TrafficDirection.egress,
      observationPoint: ObservationPoint.toOverlay,
      traceReason: TraceReason.established,
      interface: "12 lxcweb",
      summary: "UDP",
    },
  },
  {
    name: "a ping to the world, which has an identity per family",
    header: {
      kind: eventKind.trace,
      code: ObservationPoint.toStack,
      reason: TraceReason.new,
      endpointId: web.id,
      sourceIdentity: web.identity,
      destinationIdentity: 9,
    },
    packet: ipv4(web.ipv4, worldClient).icmp({ type: "echo-request" }),
    flow: {
      verdict: Verdict.forwarded,
      ip: "v1 10.244.0.5 > 203.0.113.10",
      l4: "icmp4 8/0",
      source: webText,
      destination: worldText,
      isReply: false,
      eventType: "4:3",
      direction: TrafficDirection.egress,
      observationPoint: ObservationPoint.toStack,
      traceReason: TraceReason.new,
      summary: "ICMPv4 EchoRequest",
    },
  },
  {
    name: "a pod's packet that leaves with the node's address keeps both",
    header: {
      kind: eventKind.trace,
      code: ObservationPoint.toNetwork,
      endpointId: web.id,
      ifindex: 3,
      sourceIdentity: web.identity,
    },
    packet: tcp(node1, worldClient, [50_001, 443]),
    flow: {
      verdict: Verdict.forwarded,
      ip: "v1 10.244.0.5 as 172.18.0.2 > 203.0.113.10",
      l4: "tcp 50001 > 443",
      source: webText,
      destination: worldText,
      eventType: "4:11",
      observationPoint: ObservationPoint.toNetwork,
      interface: "3 eth0",
      summary: "TCP Flags: SYN",
    },
  },
  {
    name: "a client from outside at a node port: the service by the node's address",
    header: {
      kind: eventKind.trace,
      code: ObservationPoint.fromNetwork,
      reason: TraceReason.new,
      direction: ingress,
      ifindex: 3,
      frontend: 51,
    },
    packet: tcp(worldClient, node1, [60_000, 30_080]),
    flow: {
      verdict: Verdict.forwarded,
      ip: "v1 203.0.113.10 > 172.18.0.2",
      l4: "tcp 60000 > 30080",
      source: worldText,
      destination: hostText,
      isReply: false,
      eventType: "4:10",
      destinationService: "shop/web",
      observationPoint: ObservationPoint.fromNetwork,
      traceReason: TraceReason.new,
      interface: "3 eth0",
      summary: "TCP Flags: SYN",
    },
  },
  {
    name: "a request that the kernel balanced names the service that was asked, behind the backend's address",
    header: {
      kind: eventKind.trace,
      code: ObservationPoint.toLxc,
      reason: TraceReason.new,
      endpointId: db.id,
      direction: ingress,
      frontend: 50,
      sourceIdentity: web.identity,
      destinationIdentity: db.identity,
    },
    packet: tcp(web.ipv4, db.ipv4, [40_000, 5432]),
    flow: {
      verdict: Verdict.forwarded,
      ip: "v1 10.244.0.5 > 10.244.0.6",
      l4: "tcp 40000 > 5432",
      source: webText,
      destination: dbText,
      isReply: false,
      eventType: "4:0",
      destinationService: "shop/db",
      direction: TrafficDirection.ingress,
      observationPoint: ObservationPoint.toLxc,
      traceReason: TraceReason.new,
      summary: "TCP Flags: SYN",
    },
  },
  {
    name: "a backend's reply bears the service's address, and is the backend's all the same",
    header: {
      kind: eventKind.trace,
      code: ObservationPoint.toNetwork,
      reason: TraceReason.reply,
      reply: 1,
      endpointId: web.id,
      frontend: 52,
      sourceIdentity: web.identity,
      destinationIdentity: 9,
    },
    packet: tcp(loadBalancer, worldClient, [80, 60_000], "ACK"),
    flow: {
      verdict: Verdict.forwarded,
      ip: "v1 192.0.2.80 > 203.0.113.10",
      l4: "tcp 80 > 60000",
      source: webText,
      destination: worldText,
      isReply: true,
      eventType: "4:11",
      sourceService: "shop/web",
      direction: TrafficDirection.ingress,
      observationPoint: ObservationPoint.toNetwork,
      traceReason: TraceReason.reply,
      summary: "TCP Flags: ACK",
    },
  },
  {
    name: "a packet whose connection is not known: no reply, no direction",
    header: {
      kind: eventKind.trace,
      code: ObservationPoint.fromLxc,
      endpointId: web.id,
      sourceIdentity: web.identity,
    },
    packet: tcp(web.ipv4, cart.ipv4, [1, 2], "ACK"),
    flow: {
      verdict: Verdict.forwarded,
      ip: "v1 10.244.0.5 > 10.244.1.9",
      l4: "tcp 1 > 2",
      source: webText,
      destination: cartText,
      eventType: "4:5",
      observationPoint: ObservationPoint.fromLxc,
      summary: "TCP Flags: ACK",
    },
  },
  {
    name: "an ICMP error is related, and no reply",
    header: {
      kind: eventKind.trace,
      code: ObservationPoint.toLxc,
      reason: TraceReason.related,
      reply: 1,
      endpointId: web.id,
      direction: ingress,
      sourceIdentity: 1,
      destinationIdentity: web.identity,
    },
    packet: ipv4(node1, web.ipv4).icmp({ type: "unreachable", code: 4 }),
    flow: {
      verdict: Verdict.forwarded,
      ip: "v1 172.18.0.2 > 10.244.0.5",
      l4: "icmp4 3/4",
      source: hostText,
      destination: webText,
      isReply: false,
      eventType: "4:0",
      direction: TrafficDirection.ingress,
      observationPoint: ObservationPoint.toLxc,
      traceReason: TraceReason.related,
      summary: "ICMPv4 DestinationUnreachable(FragmentationNeeded)",
    },
  },
];

const dbRule = "CiliumNetworkPolicy shop/db r9 tsilium:io.tsilium.policy.rule-path=spec.ingress[0]";

const drops: readonly Row[] = [
  {
    name: "default deny names every policy that selects the pod",
    header: {
      kind: eventKind.drop,
      code: 133,
      endpointId: db.id,
      direction: ingress,
      rule: 2,
      sourceIdentity: web.identity,
      destinationIdentity: db.identity,
    },
    packet: tcp(web.ipv4, db.ipv4, [40_000, 22]),
    flow: {
      verdict: Verdict.dropped,
      dropReason: 133,
      ip: "v1 10.244.0.5 > 10.244.0.6",
      l4: "tcp 40000 > 22",
      source: webText,
      destination: dbText,
      eventType: "1:133",
      direction: TrafficDirection.ingress,
      summary: "TCP Flags: SYN",
      ingressDeniedBy: [
        "CiliumNetworkPolicy shop/db r9 tsilium:io.tsilium.policy.rule-path=spec",
        "NetworkPolicy shop/isolate r0 tsilium:io.tsilium.policy.rule-path=spec",
      ],
    },
  },
  {
    name: "a rule that denies names its place",
    header: {
      kind: eventKind.drop,
      code: 181,
      endpointId: web.id,
      rule: 1,
      sourceIdentity: web.identity,
      destinationIdentity: 16_777_217,
    },
    packet: ipv4(web.ipv4, "198.51.100.7").sctp({ sport: 9, dport: 10 }),
    flow: {
      verdict: Verdict.dropped,
      dropReason: 181,
      ip: "v1 10.244.0.5 > 198.51.100.7",
      l4: "sctp 9 > 10",
      source: webText,
      destination: "cidr:203.0.113.0/24,reserved:world (0, 16777217)",
      eventType: "1:181",
      direction: TrafficDirection.egress,
      summary: "SCTP",
      egressDeniedBy: [dbRule],
      policyLog: ["seen"],
    },
  },
  {
    name: "a drop for another reason is no policy's, though a rule let the packet through before",
    header: {
      kind: eventKind.drop,
      code: 155,
      endpointId: web.id,
      rule: 1,
      sourceIdentity: web.identity,
      destinationIdentity: cart.identity,
    },
    packet: tcp(web.ipv4, cart.ipv4, [1, 80]),
    flow: {
      verdict: Verdict.dropped,
      dropReason: 155,
      ip: "v1 10.244.0.5 > 10.244.1.9",
      l4: "tcp 1 > 80",
      source: webText,
      destination: cartText,
      eventType: "1:155",
      direction: TrafficDirection.egress,
      summary: "TCP Flags: SYN",
    },
  },
  {
    name: "a forged source is the pod's that sent it",
    header: {
      kind: eventKind.drop,
      code: 132,
      endpointId: web.id,
      sourceIdentity: web.identity,
    },
    packet: tcp("8.8.8.8", db.ipv4, [1, 80]),
    flow: {
      verdict: Verdict.dropped,
      dropReason: 132,
      ip: "v1 8.8.8.8 > 10.244.0.6",
      l4: "tcp 1 > 80",
      source: webText,
      destination: dbText,
      eventType: "1:132",
      direction: TrafficDirection.egress,
      summary: "TCP Flags: SYN",
    },
  },
  {
    name: "an identity that the kernel saw wins over the address's of today",
    header: {
      kind: eventKind.drop,
      code: 133,
      endpointId: web.id,
      direction: ingress,
      sourceIdentity: 4712,
      destinationIdentity: web.identity,
    },
    packet: tcp(cart.ipv4, web.ipv4, [1, 80]),
    flow: {
      verdict: Verdict.dropped,
      dropReason: 133,
      ip: "v1 10.244.1.9 > 10.244.0.5",
      l4: "tcp 1 > 80",
      source: "shop/cart (0, 4712) in default",
      destination: webText,
      eventType: "1:133",
      direction: TrafficDirection.ingress,
      summary: "TCP Flags: SYN",
    },
  },
  {
    name: "what is no IP has an Ethernet header at least",
    header: { kind: eventKind.drop, code: 139, endpointId: web.id, sourceIdentity: web.identity },
    packet: frame.arp({
      operation: "request",
      senderMac: "02:00:00:00:00:01",
      sender: web.ipv4,
      target: "10.244.0.1",
    }),
    flow: {
      verdict: Verdict.dropped,
      dropReason: 139,
      source: webText,
      eventType: "1:139",
      direction: TrafficDirection.egress,
      summary: "Ethernet",
    },
  },
];

const verdicts: readonly Row[] = [
  {
    name: "an allowing rule",
    header: {
      kind: eventKind.policyVerdict,
      code: policyVerdict.allow,
      endpointId: db.id,
      direction: ingress,
      rule: 1,
      sourceIdentity: web.identity,
      destinationIdentity: db.identity,
    },
    packet: tcp(web.ipv4, db.ipv4, [40_000, 5432]),
    flow: {
      verdict: Verdict.forwarded,
      ip: "v1 10.244.0.5 > 10.244.0.6",
      l4: "tcp 40000 > 5432",
      source: webText,
      destination: dbText,
      isReply: false,
      eventType: "5:2",
      direction: TrafficDirection.ingress,
      policyMatchType: 2,
      summary: "TCP Flags: SYN",
      ingressAllowedBy: [dbRule],
      policyLog: ["seen"],
    },
  },
  {
    name: "what only audit mode lets through names who denies it",
    header: {
      kind: eventKind.policyVerdict,
      code: policyVerdict.audit,
      endpointId: web.id,
      direction: egress,
      rule: 2,
      sourceIdentity: web.identity,
      destinationIdentity: db.identity,
    },
    packet: tcp(web.ipv4, db.ipv4, [40_000, 5432]),
    flow: {
      verdict: Verdict.audit,
      ip: "v1 10.244.0.5 > 10.244.0.6",
      l4: "tcp 40000 > 5432",
      source: webText,
      destination: dbText,
      isReply: false,
      eventType: "5:0",
      direction: TrafficDirection.egress,
      summary: "TCP Flags: SYN",
      egressDeniedBy: [
        "CiliumNetworkPolicy shop/db r9 tsilium:io.tsilium.policy.rule-path=spec",
        "NetworkPolicy shop/isolate r0 tsilium:io.tsilium.policy.rule-path=spec",
      ],
    },
  },
  {
    name: "what goes to a proxy, by a rule of none of ours",
    header: {
      kind: eventKind.policyVerdict,
      code: policyVerdict.redirect,
      endpointId: web.id,
      direction: ingress,
      rule: 3,
      sourceIdentity: 1,
      destinationIdentity: web.identity,
    },
    packet: tcp(node1, web.ipv4, [40_000, 80]),
    flow: {
      verdict: Verdict.redirected,
      ip: "v1 172.18.0.2 > 10.244.0.5",
      l4: "tcp 40000 > 80",
      source: hostText,
      destination: webText,
      isReply: false,
      eventType: "5:4",
      direction: TrafficDirection.ingress,
      policyMatchType: 4,
      summary: "TCP Flags: SYN",
      ingressAllowedBy: [
        " /allow-localhost r0 reserved:io.cilium.policy.derived-from=allow-localhost",
      ],
    },
  },
];

for (const [what, rows] of Object.entries({ traces, drops, verdicts }))
  describe(`packets' ${what}`, () => {
    for (const { name, header, packet, flow } of rows)
      test(name, () => {
        const { flows } = scene();
        const record = packetRecord(header, packet.bytes());
        assert.deepEqual(flows(record).map(told), [{ ethernet: macs, type: 1, ...flow }]);
      });
  });
