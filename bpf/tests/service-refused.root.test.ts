// What clients from outside do not get, and what they hear instead.
import { after, describe } from "node:test";
import { cutIntoFragments, ether, type PacketBuilder } from "@tsilium/net";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { TestNode } from "./node.ts";
import type { FrontendSpec, ProtocolName } from "./service-spec.ts";
import { clusterIp, external, portUnreachable, segment, tooBig, wire } from "./service-world.ts";
import { both, table, type Row } from "./table.ts";
import {
  a,
  b,
  type Family,
  frame,
  icmp,
  macs,
  node as nodeAddress,
  type Party,
  remotePod,
  router,
  toPod,
  world,
} from "./world.ts";

const services = { ...plainServices, nodePort: true };
const node = new TestNode({ services });
const native = new TestNode({ routingMode: "native", services });
const open = new TestNode({ services: { ...services, externalClusterIp: true } });
const off = new TestNode();
const all = [node, native, open, off];
after(() => {
  for (const each of all) each[Symbol.dispose]();
});

const hook = "from_netdev";
const client = 40000;
const names = ["tcp", "udp", "sctp"] as const;
const ips = {
  full: clusterIp(50),
  empty: external(51),
  silent: external(52),
  guarded: external(53),
};
const nodePort: FrontendSpec = { at: nodeAddress, port: 30080, kind: "node-port" };
const loadBalancer: FrontendSpec = { at: external(50), port: 80, kind: "external" };
/** The world's, as a test's packets have it, and one that no client has. */
const ranges = ["203.0.113.0/24", "2001:db8:113::/48", "10.99.0.0/16"];

for (const each of all)
  each.services.set([
    {
      frontends: [nodePort, loadBalancer, { at: ips.full, port: 80, kind: "cluster-ip" }],
      backends: [{ at: b, port: 8080 }],
      protocols: ["tcp", "udp"],
    },
    {
      frontends: [{ at: nodeAddress, port: 30081, kind: "node-port" }],
      backends: [{ at: remotePod, port: 8080 }],
    },
    { frontends: [{ at: ips.empty, port: 80, kind: "external" }], backends: [] },
    {
      // externalTrafficPolicy: Local, and no backend here.
      frontends: [{ at: nodeAddress, port: 30082, kind: "node-port" }],
      backends: [{ at: remotePod, port: 8080 }],
      external: [],
      silent: true,
    },
    {
      frontends: [{ at: ips.guarded, port: 80, kind: "external", sourceRanges: ranges }],
      protocols: ["tcp", "udp"],
      backends: [{ at: b, port: 8080 }],
    },
    {
      frontends: [{ at: ips.guarded, port: 81, kind: "external", sourceRanges: [] }],
      protocols: ["tcp", "udp"],
      backends: [{ at: b, port: 8080 }],
    },
  ]);

const ask = (family: Family, protocol: ProtocolName, to: Party, dport = 80, from = world) =>
  segment(wire(family, [from, to]), protocol, { sport: client, dport });
const atB = (family: Family, protocol: ProtocolName, from = world) =>
  segment(toPod("b", family, [from, b]), protocol, { sport: client, dport: 8080 });
const back = (family: Family, from: Party, to = world) =>
  frame(family, [from, to], { src: macs.here, dst: macs.stranger });

/** What the client hears of an address that has no backend. */
function refusal(family: Family, protocol: ProtocolName, from: Party, port: number): PacketBuilder {
  if (protocol === "tcp")
    return back(family, from).tcp({
      sport: port,
      dport: client,
      flags: ["RST", "ACK"],
      ack: 1001,
    });
  const header = family === 4 ? 20 : 40;
  return portUnreachable(back(family, from), family, ask(family, protocol, from, port), header + 8);
}

describe("no backend", () => {
  const rows = names.flatMap((protocol): Row[] => [
    ...both((family) => ({
      sentence: `${protocol}: a service without backends refuses (158)`,
      hook,
      packet: ask(family, protocol, ips.empty),
      verdict: "refuse 158",
      out: refusal(family, protocol, ips.empty, 80),
    })),
    ...both((family) => ({
      sentence: `${protocol}: one that has none here for clients from outside says nothing (158)`,
      hook,
      packet: ask(family, protocol, nodeAddress, 30082),
      verdict: "drop 158",
    })),
    ...both((family) => ({
      sentence: `${protocol}: another port of its address refuses (158)`,
      hook,
      packet: ask(family, protocol, ips.empty, 81),
      verdict: "refuse 158",
      out: refusal(family, protocol, ips.empty, 81),
    })),
    ...both((family) => ({
      sentence: `${protocol}: another port of the node is the node's own`,
      hook,
      packet: ask(family, protocol, nodeAddress, 30099),
      verdict: "untouched",
    })),
  ]);
  const padded = both((family) => ({
    sentence: "a reset counts the segment, not what the link padded it with",
    hook,
    packet: Uint8Array.of(...ask(family, "tcp", ips.empty).bytes(), 0, 0, 0, 0, 0, 0),
    verdict: "refuse 158",
    out: refusal(family, "tcp", ips.empty, 80),
  }));
  const withData = both((family) => ({
    sentence: "and acknowledges data and FIN, as RFC 9293 has it",
    hook,
    packet: segment(wire(family, [world, ips.empty]), "tcp", {
      sport: client,
      dport: 80,
      flags: ["SYN", "FIN"],
      payload: "12345",
    }),
    verdict: "refuse 158",
    out: back(family, ips.empty).tcp({
      sport: 80,
      dport: client,
      flags: ["RST", "ACK"],
      ack: 1007,
    }),
  }));
  table(() => node, [...rows, ...padded, ...withData]);
});

describe("cluster IPs from outside", () => {
  const rows = (["tcp", "udp"] as const).flatMap((protocol) =>
    both((family) => ({
      sentence: `${protocol} is dropped (174)`,
      hook,
      packet: ask(family, protocol, ips.full),
      verdict: "drop 174",
    })),
  );
  table(() => node, rows);

  const allowed = (["tcp", "udp"] as const).flatMap((protocol) =>
    both((family) => ({
      sentence: `${protocol} is balanced with bpf-lb-external-clusterip`,
      hook,
      packet: ask(family, protocol, ips.full),
      verdict: "redirect",
      out: atB(family, protocol),
    })),
  );
  table(() => open, allowed);
});

describe("source ranges", () => {
  const stranger: Party = { 4: "203.0.114.10", 6: "2001:db8:114::10" };
  const rows = (["tcp", "udp"] as const).flatMap((protocol): Row[] => [
    ...both((family) => ({
      sentence: `${protocol}: a client in one of them is served`,
      hook,
      packet: ask(family, protocol, ips.guarded),
      verdict: "redirect",
      out: atB(family, protocol),
    })),
    ...both((family) => ({
      sentence: `${protocol}: one in none is dropped (177)`,
      hook,
      packet: ask(family, protocol, ips.guarded, 80, stranger),
      verdict: "drop 177",
    })),
    ...both((family) => ({
      sentence: `${protocol}: other services have no such ranges`,
      hook,
      packet: ask(family, protocol, loadBalancer.at, 80, stranger),
      verdict: "redirect",
      out: atB(family, protocol, stranger),
    })),
    ...both((family) => ({
      sentence: `${protocol}: nobody is in an empty list of ranges (177)`,
      hook,
      packet: ask(family, protocol, ips.guarded, 81),
      verdict: "drop 177",
    })),
    ...both((family) => ({
      sentence: `${protocol}: pods are clients of the cluster`,
      hook: "from_container",
      packet: segment(frame(family, [a, ips.guarded]), protocol, { sport: client, dport: 80 }),
      verdict: "redirect",
      out: segment(toPod("b", family, [a, b]), protocol, { sport: client, dport: 8080 }),
    })),
  ]);
  table(() => node, rows);
});

describe("sources that nobody outside has", () => {
  const martians: Readonly<Record<Family, readonly string[]>> = {
    4: ["0.0.0.0", "127.0.0.1", "127.8.8.8", "224.0.0.1", "255.255.255.255", "169.254.42.1"],
    6: ["::", "::1", "ff02::1", "fe80::1", "fd00:7473:6900::1"],
  };
  const own = [
    ["the node's own address", nodeAddress],
    ["the router's address", router],
    ["a local pod's address", a],
    ["the service's own address", loadBalancer.at],
  ] as const;
  const dropped = ([4, 6] as const).flatMap((family): Row[] =>
    (martians[family] ?? []).map((from) => ({
      sentence: `IPv${family}: ${from} (132)`,
      hook,
      packet: ask(family, "udp", nodeAddress, 30080, { 4: from, 6: from }),
      verdict: "drop 132",
    })),
  );
  const rows = (modes: readonly (readonly [string, Party])[]) =>
    modes.flatMap(([what, from]) =>
      both((family) => ({
        sentence: `${what} (132)`,
        hook,
        packet: ask(family, "udp", loadBalancer.at, 80, from),
        verdict: "drop 132",
      })),
    );
  describe("in tunnel mode", () => {
    table(() => node, [...dropped, ...rows([...own, ["another node's pod's address", remotePod]])]);
  });
  describe("with native routing", () => {
    table(() => native, [...dropped, ...rows(own)]);
  });
});

describe("what cannot be balanced", () => {
  const gre = 47;
  const pieces = (family: Family, to: Party) =>
    cutIntoFragments(
      wire(family, [world, to])
        .udp({ sport: client, dport: 80, payload: new Uint8Array(3000) })
        .bytes(),
      { size: 1400, id: 7 },
    );
  const portless = (family: Family, to: Party) =>
    [
      ["a ping", icmp(wire(family, [world, to]), family, "echo-request", 7)],
      ["a protocol without ports", bare(family, to, gre)],
      ["a fragment that precedes its first", pieces(family, to)[1] as Uint8Array],
    ] as const;
  const rows = ([4, 6] as const).flatMap((family): Row[] => [
    ...[loadBalancer.at, ips.full].flatMap((to) =>
      portless(family, to).map(([what, packet]) => ({
        sentence: `IPv${family}: ${what} for ${to[family]} does not circle between routers (158)`,
        hook: "from_netdev" as const,
        packet,
        verdict: "drop 158",
      })),
    ),
    ...portless(family, nodeAddress).map(([what, packet]) => ({
      sentence: `IPv${family}: ${what} for the node is the node's own business`,
      hook: "from_netdev" as const,
      packet,
      verdict: "untouched",
    })),
    ...(
      [
        ["TCP", ask(family, "tcp", loadBalancer.at), 4],
        ["UDP", wire(family, [world, loadBalancer.at]).udp({ sport: client, dport: 80 }), 4],
        ["SCTP", wire(family, [world, loadBalancer.at]).sctp({ sport: client, dport: 80 }), 2],
      ] as const
    ).map(([what, packet, missing]) => ({
      sentence: `IPv${family}: a ${what} header cut short is the stack's to drop`,
      hook: "from_netdev" as const,
      packet: packet.bytes().slice(0, -missing),
      verdict: "untouched",
    })),
    {
      sentence: `IPv${family}: SCTP to a backend at another port is dropped (168)`,
      hook,
      packet: ask(family, "sctp", nodeAddress, 30081),
      verdict: "drop 168",
    },
  ]);
  table(() => node, rows);
});

function bare(family: Family, to: Party, protocol: number): PacketBuilder {
  const link = ether({ src: macs.stranger, dst: macs.here });
  const ends = { src: world[family], dst: to[family], protocol };
  return (family === 4 ? link.ipv4(ends) : link.ipv6(ends)).payload(new Uint8Array(40));
}

describe("too big for the tunnel", () => {
  /** An IP packet of this many bytes. */
  const sized = (family: Family, protocol: "tcp" | "udp", size: number) => {
    const headers = (family === 4 ? 20 : 40) + (protocol === "tcp" ? 20 : 8);
    const payload = "x".repeat(size - headers);
    const packet = wire(family, [world, nodeAddress], { dontFragment: true });
    return segment(packet, protocol, { sport: client, dport: 30081, flags: "ACK", payload });
  };
  const rows = (["tcp", "udp"] as const).flatMap((protocol): Row[] => [
    ...both((family) => ({
      sentence: `${protocol}: what fits goes on`,
      hook,
      packet: sized(family, protocol, 1450),
      verdict: "redirect",
      out: segment(wire(family, [router, remotePod], { ttl: 63, dontFragment: true }), protocol, {
        sport: client,
        dport: 8080,
        flags: "ACK",
        payload: "x".repeat(1450 - (family === 4 ? 20 : 40) - (protocol === "tcp" ? 20 : 8)),
      }),
    })),
    ...both((family) => ({
      sentence: `${protocol}: of what does not the client hears what would (136)`,
      hook,
      packet: sized(family, protocol, 1451),
      verdict: "refuse 136",
      out: tooBig(
        back(family, nodeAddress),
        family,
        1450,
        sized(family, protocol, 1451),
        (family === 4 ? 20 : 40) + 20,
      ),
    })),
    ...both((family) => ({
      sentence: `${protocol}: an uncut packet is as big as its segments`,
      hook,
      gsoSize: 1450 - (family === 4 ? 20 : 40) - (protocol === "tcp" ? 20 : 8),
      packet: sized(family, protocol, 3000),
      verdict: "redirect",
      out: segment(wire(family, [router, remotePod], { ttl: 63, dontFragment: true }), protocol, {
        sport: client,
        dport: 8080,
        flags: "ACK",
        payload: "x".repeat(3000 - (family === 4 ? 20 : 40) - (protocol === "tcp" ? 20 : 8)),
      }),
    })),
  ]);
  table(() => node, rows);
});

describe("without node ports", () => {
  const doors = [
    { what: "a node port", to: nodeAddress, port: 30080 },
    { what: "a load balancer's address", to: loadBalancer.at, port: 80 },
    { what: "a cluster IP", to: ips.full, port: 80 },
  ];
  const rows = doors.flatMap(({ what, to, port }): Row[] => [
    ...both((family) => ({
      sentence: `what comes from outside for ${what} is the stack's, and kube-proxy's`,
      hook,
      packet: ask(family, "tcp", to, port),
      verdict: "untouched",
    })),
    ...both((family) => ({
      sentence: `pods' packets for ${what} are balanced all the same`,
      hook: "from_container",
      packet: segment(frame(family, [a, to]), "tcp", { sport: client, dport: port }),
      verdict: "redirect",
      out: segment(toPod("b", family, [a, b]), "tcp", { sport: client, dport: 8080 }),
    })),
  ]);
  table(() => off, rows);
});
