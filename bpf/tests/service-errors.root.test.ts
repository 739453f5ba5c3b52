// ICMP errors about flows of services, in both directions, and datagrams in fragments.
import { after, describe } from "node:test";
import { cutIntoFragments, type PacketBuilder } from "@tsilium/net";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { TestNode } from "./node.ts";
import type { FrontendSpec, ServiceSpec } from "./service-spec.ts";
import {
  clusterIp,
  external,
  fromB,
  inner,
  portUnreachable,
  segment,
  stacked,
  tooBig,
  wire,
} from "./service-world.ts";
import { both, table, type Row, type Step } from "./table.ts";
import {
  a,
  b,
  type Family,
  frame,
  fromA,
  hop,
  identities,
  macs,
  node as nodeAddress,
  otherNode,
  type Party,
  remotePod,
  router,
  toPod,
  world,
} from "./world.ts";

const services = { ...plainServices, nodePort: true };
const tunnelling = new TestNode({ services });
const native = new TestNode({ routingMode: "native", services });
after(() => tunnelling[Symbol.dispose]());
after(() => native[Symbol.dispose]());

const client = 40000;
const tunnel = { outerSource: otherNode[4], vni: identities.remotePod };
const ofB = { src: macs.b, dst: macs.gatewayOfB };

/** For pods and for clients from outside. */
function service(number: number, backend: Party): ServiceSpec {
  const ends: FrontendSpec[] = [
    { at: clusterIp(number), port: 80, kind: "cluster-ip" },
    { at: external(number), port: 80, kind: "external" },
  ];
  return { frontends: ends, protocols: ["tcp", "udp"], backends: [{ at: backend, port: 8080 }] };
}
const numbers = { local: 70, remote: 71, host: 72 };
for (const each of [tunnelling, native])
  each.services.set([
    service(numbers.local, b),
    service(numbers.remote, remotePod),
    service(numbers.host, nodeAddress),
  ]);
type Where = keyof typeof numbers;
const ip = (where: Where) => clusterIp(numbers[where]);
const lb = (where: Where) => external(numbers[where]);

/** One way of a flow, as an error quotes it: so old, and between these. */
const datagram = (
  family: Family,
  parties: readonly [Party, Party],
  [sport, dport]: readonly [number, number],
) => segment(frame(family, parties), "udp", { sport, dport, payload: "what was said" });
const question = (family: Family, parties: readonly [Party, Party], dport: number) =>
  datagram(family, parties, [client, dport]);
const answer = (family: Family, parties: readonly [Party, Party], sport: number) =>
  datagram(family, parties, [sport, client]);

const podAsked = (family: Family, where: Where): Step => ({
  hook: "from_container",
  packet: segment(fromA(family, ip(where)), "udp", { sport: client, dport: 80 }),
});
const worldAsked = (family: Family, where: Where): Step => ({
  hook: "from_netdev",
  packet: segment(wire(family, [world, lb(where)]), "udp", { sport: client, dport: 80 }),
});

/** Every row with the whole packet quoted, and with as little as RFC 792 asks for. */
function quoting(
  make: (
    family: Family,
    quoted: number | undefined,
  ) => Omit<Row, "sentence"> & { sentence: string },
): Row[] {
  return [
    ...both((family) => make(family, undefined)),
    ...both((family) => {
      const row = make(family, (family === 4 ? 20 : 40) + 8);
      return { ...row, sentence: `${row.sentence}, of which it quotes little` };
    }),
  ];
}

describe("errors between pods and services", () => {
  const rows: Row[] = [
    ...quoting((family, quoted) => ({
      sentence: "the pod's error about an answer reaches the backend as one about what it said",
      hook: "from_container",
      before: [podAsked(family, "local")],
      packet: portUnreachable(
        fromA(family, ip("local")),
        family,
        answer(family, [ip("local"), a], 80),
        quoted,
      ),
      verdict: "redirect",
      out: portUnreachable(
        toPod("b", family, [a, b]),
        family,
        answer(family, [b, a], 8080),
        quoted,
      ),
    })),
    ...quoting((family, quoted) => ({
      sentence: "so it reaches a remote one",
      hook: "from_container",
      before: [podAsked(family, "remote")],
      packet: portUnreachable(
        fromA(family, ip("remote")),
        family,
        answer(family, [ip("remote"), a], 80),
        quoted,
      ),
      verdict: "redirect",
      out: portUnreachable(
        fromA(family, remotePod, { ttl: 63 }),
        family,
        answer(family, [remotePod, a], 8080),
        quoted,
      ),
    })),
    ...quoting((family, quoted) => ({
      sentence: "the backend's error about a question reaches the pod as the service's",
      hook: "from_container",
      pod: "b",
      before: [podAsked(family, "local")],
      packet: portUnreachable(fromB(family, b, a), family, question(family, [a, b], 8080), quoted),
      verdict: "redirect",
      out: portUnreachable(
        toPod("a", family, [ip("local"), a]),
        family,
        question(family, [a, ip("local")], 80),
        quoted,
      ),
    })),
    ...quoting((family, quoted) => ({
      sentence: "so does a remote backend's",
      hook: "from_overlay",
      tunnel,
      before: [podAsked(family, "remote")],
      packet: portUnreachable(
        inner(family, [remotePod, a]),
        family,
        question(family, [a, remotePod], 8080),
        quoted,
      ),
      verdict: "redirect",
      out: portUnreachable(
        toPod("a", family, [ip("remote"), a]),
        family,
        question(family, [a, ip("remote")], 80),
        quoted,
      ),
    })),
    ...quoting((family, quoted) => ({
      sentence: "the node's process's",
      hook: "from_host",
      before: [podAsked(family, "host")],
      packet: portUnreachable(
        stacked(family, [nodeAddress, a]),
        family,
        question(family, [a, nodeAddress], 8080),
        quoted,
      ),
      verdict: "redirect",
      out: portUnreachable(
        toPod("a", family, [ip("host"), a], { ttl: 64 }),
        family,
        question(family, [a, ip("host")], 80),
        quoted,
      ),
    })),
    ...quoting((family, quoted) => ({
      sentence: "and that of the pod's own router",
      hook: "from_host",
      before: [podAsked(family, "remote")],
      packet: tooBig(
        stacked(family, [router, a]),
        family,
        1450,
        question(family, [a, remotePod], 8080),
        quoted,
      ),
      verdict: "redirect",
      out: tooBig(
        toPod("a", family, [ip("remote"), a], { ttl: 64 }),
        family,
        1450,
        question(family, [a, ip("remote")], 80),
        quoted,
      ),
    })),
    ...both((family) => ({
      sentence: "an error about what no service ever said is dropped in silence (158)",
      hook: "from_container",
      packet: portUnreachable(
        fromA(family, ip("local")),
        family,
        answer(family, [ip("local"), a], 80),
      ),
      verdict: "drop 158",
    })),
    ...both((family) => ({
      sentence: "a pod has no say in another's flow (132)",
      hook: "from_container",
      before: [podAsked(family, "local")],
      packet: portUnreachable(
        fromB(family, b, ip("local")),
        family,
        answer(family, [ip("local"), a], 80),
      ),
      pod: "b",
      verdict: "drop 132",
    })),
  ];
  table(() => tunnelling, rows);

  const routed = quoting((family, quoted) => ({
    sentence: "with native routing a router's error on the way reaches the pod as the service's",
    hook: "from_netdev",
    before: [podAsked(family, "remote")],
    packet: tooBig(
      wire(family, [hop, a]),
      family,
      1400,
      question(family, [a, remotePod], 8080),
      quoted,
    ),
    verdict: "redirect",
    out: tooBig(
      toPod("a", family, [ip("remote"), a]),
      family,
      1400,
      question(family, [a, ip("remote")], 80),
      quoted,
    ),
  }));
  table(() => native, routed);
});

describe("errors between clients from outside and services", () => {
  const rows: Row[] = [
    ...[
      { who: "the client's", from: world },
      { who: "a router's", from: hop },
    ].flatMap(({ who, from }) => [
      ...quoting((family, quoted) => ({
        sentence: `${who} error about an answer reaches a local backend`,
        hook: "from_netdev",
        before: [worldAsked(family, "local")],
        packet: tooBig(
          wire(family, [from, lb("local")]),
          family,
          1280,
          answer(family, [lb("local"), world], 80),
          quoted,
        ),
        verdict: "redirect",
        out: tooBig(
          toPod("b", family, [from, b]),
          family,
          1280,
          answer(family, [b, world], 8080),
          quoted,
        ),
      })),
      ...quoting((family, quoted) => ({
        sentence: `${who} error about an answer reaches the node's process`,
        hook: "from_netdev",
        before: [worldAsked(family, "host")],
        packet: tooBig(
          wire(family, [from, lb("host")]),
          family,
          1280,
          answer(family, [lb("host"), world], 80),
          quoted,
        ),
        verdict: "pass",
        out: tooBig(
          wire(family, [from, nodeAddress]),
          family,
          1280,
          answer(family, [nodeAddress, world], 8080),
          quoted,
        ),
      })),
      ...quoting((family, quoted) => ({
        sentence: `${who} error about an answer reaches a remote backend, from the router`,
        hook: "from_netdev",
        before: [worldAsked(family, "remote")],
        packet: tooBig(
          wire(family, [from, lb("remote")]),
          family,
          1280,
          answer(family, [lb("remote"), world], 80),
          quoted,
        ),
        verdict: "redirect",
        out: tooBig(
          wire(family, [router, remotePod], { ttl: 63 }),
          family,
          1280,
          answer(family, [remotePod, router], 8080),
          quoted,
        ),
      })),
    ]),
    ...quoting((family, quoted) => ({
      sentence: "a local backend's error leaves as the service's",
      hook: "from_container",
      pod: "b",
      before: [worldAsked(family, "local")],
      packet: portUnreachable(
        fromB(family, b, world),
        family,
        question(family, [world, b], 8080),
        quoted,
      ),
      verdict: "redirect",
      out: portUnreachable(
        frame(family, [lb("local"), world], { ...ofB, ttl: 63 }),
        family,
        question(family, [world, lb("local")], 80),
        quoted,
      ),
    })),
    ...quoting((family, quoted) => ({
      sentence: "so does a remote backend's",
      hook: "from_overlay",
      tunnel,
      before: [worldAsked(family, "remote")],
      packet: portUnreachable(
        inner(family, [remotePod, router]),
        family,
        question(family, [router, remotePod], 8080),
        quoted,
      ),
      verdict: "redirect",
      out: portUnreachable(
        inner(family, [lb("remote"), world], { ttl: 63 }),
        family,
        question(family, [world, lb("remote")], 80),
        quoted,
      ),
    })),
    ...quoting((family, quoted) => ({
      sentence: "and the node's process's",
      hook: "to_netdev",
      before: [worldAsked(family, "host")],
      packet: portUnreachable(
        stacked(family, [nodeAddress, world]),
        family,
        question(family, [world, nodeAddress], 8080),
        quoted,
      ),
      verdict: "untouched",
      out: portUnreachable(
        stacked(family, [lb("host"), world]),
        family,
        question(family, [world, lb("host")], 80),
        quoted,
      ),
    })),
    ...both((family) => ({
      sentence: "an error about what no service ever said is dropped in silence (158)",
      hook: "from_netdev",
      packet: portUnreachable(
        wire(family, [world, lb("local")]),
        family,
        answer(family, [lb("local"), world], 80),
      ),
      verdict: "drop 158",
    })),
  ];
  table(() => tunnelling, rows);

  const routed = [
    { who: "a router's", from: hop },
    { who: "the backend's", from: remotePod },
  ].flatMap(({ who, from }) =>
    quoting((family, quoted) => ({
      sentence: `with native routing ${who} error about what the node sent on goes to the client`,
      hook: "from_netdev",
      before: [worldAsked(family, "remote")],
      packet: tooBig(
        wire(family, [from, nodeAddress]),
        family,
        1400,
        question(family, [nodeAddress, remotePod], 8080),
        quoted,
      ),
      verdict: "redirect",
      out: tooBig(
        wire(family, [lb("remote"), world], { ttl: 63 }),
        family,
        1400,
        question(family, [world, lb("remote")], 80),
        quoted,
      ),
    })),
  );
  table(() => native, routed);
});

describe("errors that quote too little of TCP to have its checksum", () => {
  const segmentOf = (
    family: Family,
    parties: readonly [Party, Party],
    [sport, dport]: readonly [number, number],
  ) => segment(frame(family, parties), "tcp", { sport, dport, flags: "ACK" });
  const quoted = (family: Family) => (family === 4 ? 20 : 40) + 8;
  const error = (
    packet: PacketBuilder,
    family: Family,
    about: readonly [readonly [Party, Party], readonly [number, number]],
  ) => tooBig(packet, family, 1280, segmentOf(family, ...about), quoted(family)).bytes();
  const tcpAsked = (family: Family, hook: "from_container" | "from_netdev", to: Party): Step => ({
    hook,
    packet: segment(
      hook === "from_container" ? fromA(family, to) : wire(family, [world, to]),
      "tcp",
      { sport: client, dport: 80 },
    ),
  });
  const rows: Row[] = [
    ...both((family) => ({
      sentence: "a router's to a pod",
      hook: "from_host",
      before: [tcpAsked(family, "from_container", ip("remote"))],
      packet: error(stacked(family, [router, a]), family, [
        [a, remotePod],
        [client, 8080],
      ]),
      verdict: "redirect",
      out: error(toPod("a", family, [ip("remote"), a], { ttl: 64 }), family, [
        [a, ip("remote")],
        [client, 80],
      ]),
    })),
    ...both((family) => ({
      sentence: "a router's to a remote backend",
      hook: "from_netdev",
      before: [tcpAsked(family, "from_netdev", lb("remote"))],
      packet: error(wire(family, [hop, lb("remote")]), family, [
        [lb("remote"), world],
        [80, client],
      ]),
      verdict: "redirect",
      out: error(wire(family, [router, remotePod], { ttl: 63 }), family, [
        [remotePod, router],
        [8080, client],
      ]),
    })),
    ...both((family) => ({
      sentence: "a remote backend's to a client from outside",
      hook: "from_overlay",
      tunnel,
      before: [tcpAsked(family, "from_netdev", lb("remote"))],
      packet: error(inner(family, [remotePod, router]), family, [
        [router, remotePod],
        [client, 8080],
      ]),
      verdict: "redirect",
      out: error(inner(family, [lb("remote"), world], { ttl: 63 }), family, [
        [world, lb("remote")],
        [client, 80],
      ]),
    })),
  ];
  table(() => tunnelling, rows);
});

/** A datagram of 3,000 bytes, cut. */
function cut(packet: PacketBuilder, [sport, dport]: readonly [number, number]): Uint8Array[] {
  const payload = Uint8Array.from({ length: 3000 }, (_, at) => at * 7);
  return cutIntoFragments(packet.udp({ sport, dport, payload }).bytes(), { size: 1200, id: 7 });
}

/** All of a datagram's fragments, as they come and as they go. */
function inPieces(
  row: Omit<Row, "packet" | "out" | "verdict"> & { readonly verdict?: string },
  came: readonly Uint8Array[],
  went: readonly Uint8Array[],
): Row[] {
  return came.map((packet, at) => ({
    verdict: "redirect",
    ...row,
    sentence: `${row.sentence}: fragment ${at + 1}`,
    before: [
      ...(row.before ?? []),
      ...came.slice(0, at).map((earlier) => ({
        hook: row.hook,
        packet: earlier,
        ...(row.pod ? { pod: row.pod } : {}),
        ...(row.tunnel ? { tunnel: row.tunnel } : {}),
      })),
    ],
    packet,
    out: went[at] as Uint8Array,
  }));
}

describe("datagrams in fragments", () => {
  const [asks, answers] = [
    [client, 80],
    [8080, client],
  ] as const;
  const [asked, answered] = [
    [client, 8080],
    [80, client],
  ] as const;
  const rows = ([4, 6] as const).flatMap((family): Row[] => {
    const named = (sentence: string) => `IPv${family}: ${sentence}`;
    return [
      ...inPieces(
        { sentence: named("a pod's question to a local backend"), hook: "from_container" },
        cut(fromA(family, ip("local")), asks),
        cut(toPod("b", family, [a, b]), asked),
      ),
      ...inPieces(
        {
          sentence: named("its answer"),
          hook: "from_container",
          pod: "b",
          before: [podAsked(family, "local")],
        },
        cut(fromB(family, b, a), answers),
        cut(toPod("a", family, [ip("local"), a]), answered),
      ),
      ...inPieces(
        { sentence: named("a pod's question to a remote backend"), hook: "from_container" },
        cut(fromA(family, ip("remote")), asks),
        cut(fromA(family, remotePod, { ttl: 63 }), asked),
      ),
      ...inPieces(
        {
          sentence: named("its answer"),
          hook: "from_overlay",
          tunnel,
          before: [podAsked(family, "remote")],
        },
        cut(inner(family, [remotePod, a]), answers),
        cut(toPod("a", family, [ip("remote"), a]), answered),
      ),
      ...inPieces(
        { sentence: named("a question from outside to a local backend"), hook: "from_netdev" },
        cut(wire(family, [world, lb("local")]), asks),
        cut(toPod("b", family, [world, b]), asked),
      ),
      ...inPieces(
        {
          sentence: named("its answer"),
          hook: "from_container",
          pod: "b",
          before: [worldAsked(family, "local")],
        },
        cut(fromB(family, b, world), answers),
        cut(frame(family, [lb("local"), world], { ...ofB, ttl: 63 }), answered),
      ),
      ...inPieces(
        { sentence: named("a question from outside to a remote backend"), hook: "from_netdev" },
        cut(wire(family, [world, lb("remote")]), asks),
        cut(wire(family, [router, remotePod], { ttl: 63 }), asked),
      ),
      ...inPieces(
        {
          sentence: named("its answer"),
          hook: "from_overlay",
          tunnel,
          before: [worldAsked(family, "remote")],
        },
        cut(inner(family, [remotePod, router]), answers),
        cut(inner(family, [lb("remote"), world], { ttl: 63 }), answered),
      ),
      ...inPieces(
        {
          sentence: named("a question from outside to the node's process"),
          hook: "from_netdev",
          verdict: "pass",
        },
        cut(wire(family, [world, lb("host")]), asks),
        cut(wire(family, [world, nodeAddress]), asked),
      ),
      ...inPieces(
        {
          sentence: named("its answer"),
          hook: "to_netdev",
          verdict: "untouched",
          before: [worldAsked(family, "host")],
        },
        cut(stacked(family, [nodeAddress, world]), answers),
        cut(stacked(family, [lb("host"), world]), answered),
      ),
    ];
  });
  table(() => tunnelling, rows);
});
