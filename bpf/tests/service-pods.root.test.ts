// What pods ask for besides cluster IPs, and what they are not given.
import { after, describe } from "node:test";
import { cutIntoFragments, ether } from "@tsilium/net";
import { TestNode } from "./node.ts";
import { anyNode, type FrontendSpec, type Place, type ProtocolName } from "./service-spec.ts";
import {
  clusterIp,
  external,
  fromB,
  inner,
  portUnreachable,
  segment,
  stacked,
  thirdNode,
} from "./service-world.ts";
import { both, table, type Row, type Step } from "./table.ts";
import {
  a,
  b,
  type Family,
  frame,
  fromA,
  icmp,
  identities,
  macs,
  netnsCookies,
  node as nodeAddress,
  otherNode,
  type Party,
  remotePod,
  router,
  toPod,
  world,
} from "./world.ts";

const node = new TestNode();
after(() => node[Symbol.dispose]());

const hook = "from_container";
const client = 40000;
const names = ["tcp", "udp"] as const;
const cookie = netnsCookies.a;
const ips = {
  full: clusterIp(30),
  empty: clusterIp(31),
  silent: clusterIp(32),
  otherPort: clusterIp(33),
  excepted: clusterIp(34),
  remote: clusterIp(35),
};
const clusterIpAt = (at: Party, exceptions: bigint[] = []): FrontendSpec => ({
  at,
  port: 80,
  kind: "cluster-ip",
  exceptions,
});
const places: Readonly<Record<"b" | "remote" | "host" | "world", Place[]>> = {
  b: [{ at: b, port: 8080 }],
  remote: [{ at: remotePod, port: 8080 }],
  host: [{ at: nodeAddress, port: 8080 }],
  world: [{ at: world, port: 80 }],
};

node.services.set([
  { frontends: [clusterIpAt(ips.full)], backends: places.b, protocols: names },
  { frontends: [clusterIpAt(ips.remote)], backends: places.remote, protocols: names },
  { frontends: [clusterIpAt(ips.empty)], backends: [] },
  { frontends: [clusterIpAt(ips.silent)], backends: [], silent: true },
  { frontends: [clusterIpAt(ips.otherPort)], backends: places.b, protocols: ["sctp"] },
  {
    // A local redirect: the backend itself meets the address.
    frontends: [
      { at: external(9), port: 53, kind: "host-port", localRedirect: true, exceptions: [cookie] },
    ],
    backends: [{ at: a, port: 5353 }],
  },
  { frontends: [clusterIpAt(ips.excepted, [cookie])], backends: places.b },
  {
    frontends: [
      { at: nodeAddress, port: 30080, kind: "node-port" },
      { at: router, port: 30080, kind: "node-port" },
      { at: anyNode, port: 30080, kind: "node-port" },
      { at: external(1), port: 443, kind: "external" },
    ],
    protocols: names,
    backends: places.b,
  },
  {
    frontends: [{ at: anyNode, port: 30081, kind: "node-port" }],
    protocols: names,
    backends: places.remote,
  },
  {
    frontends: [{ at: anyNode, port: 30082, kind: "node-port" }],
    protocols: names,
    backends: places.host,
  },
  {
    frontends: [
      { at: nodeAddress, port: 30088, kind: "host-port" },
      { at: anyNode, port: 30088, kind: "host-port" },
    ],
    protocols: names,
    backends: places.b,
  },
  {
    // Of somebody who may create Services, but not listen in (CVE-2020-8554).
    frontends: [
      { at: b, port: 80, kind: "external" },
      { at: remotePod, port: 80, kind: "external" },
    ],
    backends: places.world,
  },
]);

const ask = (family: Family, protocol: ProtocolName, to: Party, dport = 80) =>
  segment(fromA(family, to), protocol, { sport: client, dport });
const asked = (family: Family, protocol: ProtocolName, to: Party, dport = 80): Step => ({
  hook,
  packet: ask(family, protocol, to, dport),
});
const reply = { dport: client, flags: ["SYN", "ACK"] } as const;
const atB = (family: Family, protocol: ProtocolName, dport = 8080) =>
  segment(toPod("b", family, [a, b]), protocol, { sport: client, dport });

/** A node port, of whose backends and how the answer comes. */
function nodePorts(protocol: ProtocolName): Row[] {
  const asFrom = [
    { what: "a node port of its own node", at: nodeAddress },
    { what: "a node port at the router's address", at: router },
    { what: "a node port of another node", at: otherNode },
  ];
  const ofBackend = { sport: 8080, ...reply };
  return [
    ...asFrom.flatMap(({ what, at }) => [
      ...both((family) => ({
        sentence: `${protocol} to ${what} is balanced here`,
        hook,
        packet: ask(family, protocol, at, 30080),
        verdict: "redirect",
        out: atB(family, protocol),
      })),
      ...both((family) => ({
        sentence: `${protocol}: the answer comes from ${what}`,
        hook,
        pod: "b",
        before: [asked(family, protocol, at, 30080)],
        packet: segment(fromB(family, b, a), protocol, ofBackend),
        verdict: "redirect",
        out: segment(toPod("a", family, [at, a]), protocol, { sport: 30080, ...reply }),
      })),
    ]),
    ...both((family) => ({
      sentence: `${protocol}: the answer of a remote backend comes from the node that was asked`,
      hook: "from_overlay",
      tunnel: { outerSource: otherNode[4], vni: identities.remotePod },
      before: [asked(family, protocol, otherNode, 30081)],
      packet: segment(inner(family, [remotePod, a]), protocol, ofBackend),
      verdict: "redirect",
      out: segment(toPod("a", family, [otherNode, a]), protocol, { sport: 30081, ...reply }),
    })),
    ...both((family) => ({
      sentence: `${protocol}: so does that of the own node's process`,
      hook: "from_host",
      before: [asked(family, protocol, otherNode, 30082)],
      packet: segment(stacked(family, [nodeAddress, a]), protocol, ofBackend),
      verdict: "redirect",
      out: segment(toPod("a", family, [otherNode, a], { ttl: 64 }), protocol, {
        sport: 30082,
        ...reply,
      }),
    })),
    ...both((family) => ({
      sentence: `${protocol}: at an address that is no node's, a node port means nothing`,
      hook,
      packet: ask(family, protocol, thirdNode, 30080),
      verdict: "pass",
    })),
    ...both((family) => ({
      sentence: `${protocol} to a host port of its own node is balanced`,
      hook,
      packet: ask(family, protocol, nodeAddress, 30088),
      verdict: "redirect",
      out: atB(family, protocol),
    })),
    ...both((family) => ({
      sentence: `${protocol} to a host port of another node is that node's`,
      hook,
      packet: ask(family, protocol, otherNode, 30088),
      verdict: "pass",
    })),
  ];
}

function addresses(protocol: ProtocolName): Row[] {
  return [
    ...both((family) => ({
      sentence: `${protocol} to a load balancer's address is balanced here`,
      hook,
      packet: ask(family, protocol, external(1), 443),
      verdict: "redirect",
      out: atB(family, protocol),
    })),
    ...both((family) => ({
      sentence: `${protocol}: a redirected address leads to its backend`,
      hook,
      pod: "b",
      packet: segment(fromB(family, b, external(9)), protocol, { sport: client, dport: 53 }),
      verdict: "redirect",
      out: segment(toPod("a", family, [b, a]), protocol, { sport: client, dport: 5353 }),
    })),
    ...both((family) => ({
      sentence: `${protocol}: a pod that is excepted meets the address itself`,
      hook,
      packet: ask(family, protocol, external(9), 53),
      verdict: "pass",
    })),
    ...both((family) => ({
      sentence: `${protocol}: of a cluster IP nobody is there (158)`,
      hook,
      packet: ask(family, protocol, ips.excepted),
      verdict: "refuse 158",
      out: refusal(family, protocol, ips.excepted, 80),
    })),
    ...both((family) => ({
      sentence: `${protocol}: a pod's address is never a service's, whatever a Service says`,
      hook,
      packet: ask(family, protocol, b),
      verdict: "redirect",
      out: atB(family, protocol, 80),
    })),
    ...both((family) => ({
      sentence: `${protocol}: nor is another node's pod's`,
      hook,
      packet: ask(family, protocol, remotePod),
      verdict: "redirect",
      out: segment(fromA(family, remotePod, { ttl: 63 }), protocol, { sport: client, dport: 80 }),
    })),
  ];
}

describe("what else pods ask for", () => {
  table(
    () => node,
    names.flatMap((protocol) => [...nodePorts(protocol), ...addresses(protocol)]),
  );
});

/** The refusal that pod a hears from an address. */
function refusal(family: Family, protocol: ProtocolName, from: Party, port: number) {
  const back = frame(family, [from, a], { src: macs.here, dst: macs.a });
  const about = ask(family, protocol, from, port);
  if (protocol === "tcp")
    return back.tcp({ sport: port, dport: client, flags: ["RST", "ACK"], ack: 1001 });
  // Up to 20 bytes of what follows the IP header, or the 8 that RFC 792 asks for.
  const l4 = { udp: 8, sctp: 8 }[protocol];
  return portUnreachable(back, family, about, (family === 4 ? 20 : 40) + l4);
}

describe("too big for the tunnel", () => {
  const sized = (family: Family, to: Party, dport: number, size: number, ttl = 64) =>
    segment(fromA(family, to, { ttl, dontFragment: true }), "tcp", {
      sport: client,
      dport,
      payload: "x".repeat(size - (family === 4 ? 40 : 60)),
    });
  const rows: Row[] = [
    ...both((family) => ({
      sentence: "what fits goes on",
      hook,
      packet: sized(family, ips.remote, 80, 1450),
      verdict: "redirect",
      out: sized(family, remotePod, 8080, 1450, 63),
    })),
    ...both((family) => ({
      sentence: "of what does not the stack says what would, about the backend (136)",
      hook,
      packet: sized(family, ips.remote, 80, 1451),
      verdict: "answer 136",
      out: sized(family, remotePod, 8080, 1451),
    })),
  ];
  table(() => node, rows);
});

describe("what pods are not given", () => {
  const gre = 47;
  const datagram = (family: Family) =>
    cutIntoFragments(
      fromA(family, ips.full)
        .udp({ sport: client, dport: 80, payload: new Uint8Array(3000) })
        .bytes(),
      { size: 1400, id: 7 },
    );
  const rows: Row[] = [
    ...(["tcp", "udp", "sctp"] as const).flatMap((protocol) => [
      ...both((family) => ({
        sentence: `${protocol}: a service without backends refuses (158)`,
        hook,
        packet: ask(family, protocol, ips.empty),
        verdict: "refuse 158",
        out: refusal(family, protocol, ips.empty, 80),
      })),
      ...both((family) => ({
        sentence: `${protocol}: or says nothing, where that is asked for (158)`,
        hook,
        packet: ask(family, protocol, ips.silent),
        verdict: "drop 158",
      })),
      ...both((family) => ({
        sentence: `${protocol}: another port of a service's address refuses (158)`,
        hook,
        packet: ask(family, protocol, ips.full, 81),
        verdict: "refuse 158",
        out: refusal(family, protocol, ips.full, 81),
      })),
      ...both((family) => ({
        sentence: `${protocol}: so does another port of a load balancer's address (158)`,
        hook,
        packet: ask(family, protocol, external(1), 444),
        verdict: "refuse 158",
        out: refusal(family, protocol, external(1), 444),
      })),
    ]),
    ...both((family) => ({
      sentence: "a protocol that the service does not have is another port's (158)",
      hook,
      packet: ask(family, "sctp", ips.full),
      verdict: "refuse 158",
      out: refusal(family, "sctp", ips.full, 80),
    })),
    ...both((family) => ({
      sentence: "an acknowledgement is reset as RFC 9293 has it (158)",
      hook,
      packet: segment(fromA(family, ips.empty), "tcp", {
        sport: client,
        dport: 80,
        flags: "ACK",
      }),
      verdict: "refuse 158",
      out: frame(family, [ips.empty, a], { src: macs.here, dst: macs.a }).tcp({
        sport: 80,
        dport: client,
        flags: "RST",
        seq: 2000,
      }),
    })),
    ...both((family) => ({
      sentence: "a reset is not answered (158)",
      hook,
      packet: segment(fromA(family, ips.empty), "tcp", {
        sport: client,
        dport: 80,
        flags: "RST",
      }),
      verdict: "drop 158",
    })),
    ...both((family) => ({
      sentence: "SCTP to a backend at another port is dropped (168)",
      hook,
      packet: ask(family, "sctp", ips.otherPort),
      verdict: "drop 168",
    })),
    ...both((family) => ({
      sentence: "nobody answers a ping to a service's address (158)",
      hook,
      packet: icmp(fromA(family, ips.full), family, "echo-request", 7),
      verdict: "refuse 158",
      out: portUnreachable(
        frame(family, [ips.full, a], { src: macs.here, dst: macs.a }),
        family,
        icmp(fromA(family, ips.full), family, "echo-request", 7),
        (family === 4 ? 20 : 40) + 8,
      ),
    })),
    ...both((family) => ({
      sentence: "a protocol that is not tracked is dropped (137)",
      hook,
      packet: unknown(family, gre),
      verdict: "drop 137",
    })),
    ...both((family) => ({
      sentence: "a TCP header cut short is dropped (135)",
      hook,
      packet: ask(family, "tcp", ips.full).bytes().slice(0, -4),
      verdict: "drop 135",
    })),
    ...both((family) => ({
      sentence: "a UDP header cut short is dropped (135)",
      hook,
      packet: fromA(family, ips.full).udp({ sport: client, dport: 80 }).bytes().slice(0, -4),
      verdict: "drop 135",
    })),
    ...both((family) => ({
      sentence: "an SCTP header cut short is dropped (135)",
      hook,
      packet: fromA(family, ips.full).sctp({ sport: client, dport: 80 }).bytes().slice(0, -2),
      verdict: "drop 135",
    })),
    ...both((family) => ({
      sentence: "a fragment that precedes its first is dropped (175)",
      hook,
      packet: datagram(family)[1] as Uint8Array,
      verdict: "drop 175",
    })),
    ...both((family) => ({
      sentence: "a packet whose hops end here is left to the stack to answer (196)",
      hook,
      packet: segment(fromA(family, ips.full, { ttl: 1 }), "tcp", { sport: client, dport: 80 }),
      verdict: "answer 196",
      out: segment(fromA(family, b, { ttl: 1 }), "tcp", { sport: client, dport: 8080 }),
    })),
  ];
  table(() => node, rows);
});

function unknown(family: Family, protocol: number) {
  const link = ether({ src: macs.a, dst: macs.here });
  const ends = { src: a[family], dst: ips.full[family], protocol };
  return (family === 4 ? link.ipv4(ends) : link.ipv6(ends)).payload(new Uint8Array(40));
}
