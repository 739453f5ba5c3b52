// Pods' packets for cluster IPs, with backends everywhere, and the way back.
import { after, describe } from "node:test";
import { TestNode } from "./node.ts";
import type { ProtocolName, ServiceSpec } from "./service-spec.ts";
import { clusterIp, fromB, inner, segment, stacked, wire } from "./service-world.ts";
import { both, table, type Row, type Step } from "./table.ts";
import {
  a,
  b,
  type Family,
  fromA,
  identities,
  node as nodeAddress,
  otherNode,
  type Party,
  remotePod,
  toPod,
  world,
} from "./world.ts";

const tunnelling = new TestNode();
const native = new TestNode({ routingMode: "native" });
after(() => tunnelling[Symbol.dispose]());
after(() => native[Symbol.dispose]());

const names = ["tcp", "udp", "sctp"] as const;
const client = 40000;
/** SCTP keeps its port: nothing redoes its checksum. */
const portOf = (protocol: ProtocolName) => (protocol === "sctp" ? 80 : 8080);

const ips = {
  local: clusterIp(10),
  remote: clusterIp(11),
  host: clusterIp(12),
  otherHost: clusterIp(13),
  world: clusterIp(14),
  mixed: clusterIp(15),
};

/** One cluster IP and one backend. */
function one(at: Party, backend: Party): ServiceSpec[] {
  const frontends = [{ at, port: 80, kind: "cluster-ip" }] as const;
  return [
    { frontends, protocols: ["tcp", "udp"], backends: [{ at: backend, port: 8080 }] },
    { frontends, protocols: ["sctp"], backends: [{ at: backend, port: 80 }] },
  ];
}

const services: ServiceSpec[] = [
  ...one(ips.local, b),
  ...one(ips.remote, remotePod),
  ...one(ips.host, nodeAddress),
  ...one(ips.otherHost, otherNode),
  ...one(ips.world, world),
  {
    // Whom internal and external traffic policy tell apart.
    frontends: [{ at: ips.mixed, port: 80, kind: "cluster-ip" }],
    backends: [{ at: b, port: 80 }],
    external: [{ at: remotePod, port: 80 }],
  },
];
for (const each of [tunnelling, native]) each.services.set(services);

const ask = (family: Family, protocol: ProtocolName, to: Party, dport = 80) =>
  segment(fromA(family, to), protocol, { sport: client, dport });
const asked = (family: Family, protocol: ProtocolName, to: Party, dport = 80): Step => ({
  hook: "from_container",
  packet: ask(family, protocol, to, dport),
});
const reply = { dport: client, flags: ["SYN", "ACK"] } as const;
const answers = (protocol: ProtocolName) => ({ sport: portOf(protocol), ...reply });

/** What a pod is to hear, whoever answered. */
function heard(family: Family, protocol: ProtocolName, from: Party, ttl = 63) {
  return segment(toPod("a", family, [from, a], { ttl }), protocol, { sport: 80, ...reply });
}

/** The rows of one protocol that both routing modes share. */
function shared(protocol: ProtocolName): Row[] {
  const to = { sport: client, dport: portOf(protocol) };
  return [
    ...both((family) => ({
      sentence: `${protocol} to a backend of this node is handed to it`,
      hook: "from_container",
      packet: ask(family, protocol, ips.local),
      verdict: "redirect",
      out: segment(toPod("b", family, [a, b]), protocol, to),
    })),
    ...both((family) => ({
      sentence: `${protocol}: its answer comes from the service`,
      hook: "from_container",
      pod: "b",
      before: [asked(family, protocol, ips.local)],
      packet: segment(fromB(family, b, a), protocol, answers(protocol)),
      verdict: "redirect",
      out: heard(family, protocol, ips.local),
    })),
    ...both((family) => ({
      sentence: `${protocol} to a backend that is the node's own process goes to the stack`,
      hook: "from_container",
      packet: ask(family, protocol, ips.host),
      verdict: "pass",
      out: segment(fromA(family, nodeAddress), protocol, to),
    })),
    ...both((family) => ({
      sentence: `${protocol}: its answer comes from the service`,
      hook: "from_host",
      before: [asked(family, protocol, ips.host)],
      packet: segment(stacked(family, [nodeAddress, a]), protocol, answers(protocol)),
      verdict: "redirect",
      out: heard(family, protocol, ips.host, 64),
    })),
    ...both((family) => ({
      sentence: `${protocol} to another node's process goes to the stack`,
      hook: "from_container",
      packet: ask(family, protocol, ips.otherHost),
      verdict: "pass",
      out: segment(fromA(family, otherNode), protocol, to),
    })),
    ...both((family) => ({
      sentence: `${protocol} to a backend outside goes to the stack`,
      hook: "from_container",
      packet: ask(family, protocol, ips.world),
      verdict: "pass",
      out: segment(fromA(family, world), protocol, to),
    })),
    ...both((family) => ({
      sentence: `${protocol}: its answer finds through masquerading, and comes from the service`,
      hook: "from_netdev",
      before: [
        asked(family, protocol, ips.world),
        { hook: "to_netdev", packet: segment(stacked(family, [a, world]), protocol, to) },
      ],
      packet: segment(wire(family, [world, nodeAddress]), protocol, answers(protocol)),
      verdict: "redirect",
      out: heard(family, protocol, ips.world),
    })),
    ...both((family) => ({
      sentence: `${protocol} of the cluster gets internal backends, not external ones`,
      hook: "from_container",
      packet: ask(family, protocol, ips.mixed),
      verdict: "redirect",
      out: segment(toPod("b", family, [a, b]), protocol, { sport: client, dport: 80 }),
    })),
  ];
}

describe("pods' packets for services in tunnel mode", () => {
  const rows = names.flatMap((protocol): Row[] => {
    const to = { sport: client, dport: portOf(protocol) };
    return [
      ...shared(protocol),
      ...both((family) => ({
        sentence: `${protocol} to a backend of another node enters the tunnel`,
        hook: "from_container",
        packet: ask(family, protocol, ips.remote),
        verdict: "redirect",
        out: segment(fromA(family, remotePod, { ttl: 63 }), protocol, to),
      })),
      ...both((family) => ({
        sentence: `${protocol}: its answer comes from the service`,
        hook: "from_overlay",
        tunnel: { outerSource: otherNode[4], vni: identities.remotePod },
        before: [asked(family, protocol, ips.remote)],
        packet: segment(inner(family, [remotePod, a]), protocol, answers(protocol)),
        verdict: "redirect",
        out: heard(family, protocol, ips.remote),
      })),
      ...both((family) => ({
        sentence: `${protocol}: the answer of another node's process comes from the service`,
        hook: "from_netdev",
        before: [
          asked(family, protocol, ips.otherHost),
          { hook: "to_netdev", packet: segment(stacked(family, [a, otherNode]), protocol, to) },
        ],
        packet: segment(wire(family, [otherNode, nodeAddress]), protocol, answers(protocol)),
        verdict: "redirect",
        out: heard(family, protocol, ips.otherHost),
      })),
    ];
  });
  table(() => tunnelling, rows);
});

describe("pods' packets for services with native routing", () => {
  const rows = names.flatMap((protocol): Row[] => {
    const to = { sport: client, dport: portOf(protocol) };
    return [
      ...shared(protocol),
      ...both((family) => ({
        sentence: `${protocol} to a backend of another node is the stack's to route`,
        hook: "from_container",
        packet: ask(family, protocol, ips.remote),
        verdict: "pass",
        out: segment(fromA(family, remotePod), protocol, to),
      })),
      ...[
        { who: "another node's pod", backend: remotePod, ip: ips.remote },
        { who: "another node's process", backend: otherNode, ip: ips.otherHost },
      ].flatMap(({ who, backend: from, ip }) =>
        both((family) => ({
          sentence: `${protocol}: the answer of ${who} comes from the service`,
          hook: "from_netdev",
          before: [asked(family, protocol, ip)],
          packet: segment(wire(family, [from, a]), protocol, answers(protocol)),
          verdict: "redirect",
          out: heard(family, protocol, ip),
        })),
      ),
    ];
  });
  table(() => native, rows);
});
