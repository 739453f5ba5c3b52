// A pod that gets itself for a backend, and the address that it hears from then.
import { after, describe } from "node:test";
import { cutIntoFragments } from "@tsilium/net";
import { TestNode } from "./node.ts";
import { anyNode, type ProtocolName } from "./service-spec.ts";
import { clusterIp, hairpin, portUnreachable, segment, tooBig } from "./service-world.ts";
import { both, table, type Row, type Step } from "./table.ts";
import {
  a,
  type Family,
  fromA,
  icmp,
  type IpOptions,
  node as nodeAddress,
  otherNode,
  toPod,
} from "./world.ts";

const node = new TestNode();
after(() => node[Symbol.dispose]());

const hook = "from_container";
const client = 40000;
const service = clusterIp(40);
const names = ["tcp", "udp", "sctp"] as const;
const portOf = (protocol: ProtocolName) => (protocol === "sctp" ? 80 : 8080);
const frontends = [{ at: service, port: 80, kind: "cluster-ip" }] as const;
node.services.set([
  { frontends, protocols: ["tcp", "udp"], backends: [{ at: a, port: 8080 }] },
  { frontends, protocols: ["sctp"], backends: [{ at: a, port: 80 }] },
  {
    frontends: [
      { at: nodeAddress, port: 30080, kind: "node-port" },
      { at: anyNode, port: 30080, kind: "node-port" },
    ],
    protocols: ["tcp", "udp"],
    backends: [{ at: a, port: 8080 }],
  },
]);

const ask = (family: Family, protocol: ProtocolName) =>
  segment(fromA(family, service), protocol, { sport: client, dport: 80 });
const asked = (family: Family, protocol: ProtocolName): Step => ({
  hook,
  packet: ask(family, protocol),
});
/** No hop is counted on the way back into the same pod. */
const back: IpOptions = { ttl: 64 };
const heard = (family: Family, protocol: ProtocolName) =>
  segment(toPod("a", family, [hairpin, a], back), protocol, {
    sport: client,
    dport: portOf(protocol),
  });
const answer = (family: Family, protocol: ProtocolName) =>
  segment(fromA(family, hairpin), protocol, {
    sport: portOf(protocol),
    dport: client,
    flags: ["SYN", "ACK"],
  });
const answered = (family: Family, protocol: ProtocolName) =>
  segment(toPod("a", family, [service, a], back), protocol, {
    sport: 80,
    dport: client,
    flags: ["SYN", "ACK"],
  });

describe("a pod that serves itself", () => {
  const flows = names.flatMap((protocol): Row[] => [
    ...both((family) => ({
      sentence: `${protocol}: hears from the loopback address`,
      hook,
      packet: ask(family, protocol),
      verdict: "redirect",
      out: heard(family, protocol),
    })),
    ...both((family) => ({
      sentence: `${protocol}: its answer comes from the service`,
      hook,
      before: [asked(family, protocol)],
      packet: answer(family, protocol),
      verdict: "redirect",
      out: answered(family, protocol),
    })),
    ...both((family) => ({
      sentence: `${protocol}: the next packet goes the same way`,
      hook,
      before: [asked(family, protocol), { hook, packet: answer(family, protocol) }],
      packet: segment(fromA(family, service), protocol, {
        sport: client,
        dport: 80,
        flags: "ACK",
      }),
      verdict: "redirect",
      out: segment(toPod("a", family, [hairpin, a], back), protocol, {
        sport: client,
        dport: portOf(protocol),
        flags: "ACK",
      }),
    })),
    ...both((family) => ({
      sentence: `${protocol} to the loopback address that answers nothing is unroutable (151)`,
      hook,
      packet: answer(family, protocol),
      verdict: "drop 151",
    })),
    ...both((family) => ({
      sentence: `${protocol} to it from another port than was asked is unroutable (151)`,
      hook,
      before: [asked(family, protocol)],
      packet: segment(fromA(family, hairpin), protocol, { sport: 22, dport: client }),
      verdict: "drop 151",
    })),
  ]);
  const nodePorts = [
    { whose: "its own node's", at: nodeAddress },
    { whose: "another node's", at: otherNode },
  ].flatMap(({ whose, at }) =>
    (["tcp", "udp"] as const).flatMap((protocol) =>
      both((family) => ({
        sentence: `${protocol}: through ${whose} node port its answer comes from there`,
        hook,
        before: [
          { hook, packet: segment(fromA(family, at), protocol, { sport: client, dport: 30080 }) },
        ],
        packet: answer(family, protocol),
        verdict: "redirect",
        out: segment(toPod("a", family, [at, a], back), protocol, {
          sport: 30080,
          dport: client,
          flags: ["SYN", "ACK"],
        }),
      })),
    ),
  );
  const errors: Row[] = [
    ...both((family) => ({
      sentence: "its error about what it was sent comes from the service",
      hook,
      before: [asked(family, "udp")],
      packet: portUnreachable(
        fromA(family, hairpin),
        family,
        segment(toPod("a", family, [hairpin, a], back), "udp", { sport: client, dport: 8080 }),
      ),
      verdict: "redirect",
      out: portUnreachable(
        toPod("a", family, [service, a], back),
        family,
        segment(toPod("a", family, [a, service], back), "udp", { sport: client, dport: 80 }),
      ),
    })),
    ...both((family) => ({
      sentence: "its error about what it was answered reaches itself as server",
      hook,
      before: [asked(family, "udp"), { hook, packet: answer(family, "udp") }],
      packet: portUnreachable(fromA(family, service), family, answered(family, "udp")),
      verdict: "redirect",
      out: portUnreachable(toPod("a", family, [hairpin, a], back), family, answer(family, "udp")),
    })),
    ...both((family) => ({
      sentence: "its error about a packet that nobody sent is unroutable (151)",
      hook,
      packet: tooBig(
        fromA(family, hairpin),
        family,
        1280,
        segment(toPod("a", family, [hairpin, a], back), "tcp", { sport: client, dport: 8080 }),
      ),
      verdict: "drop 151",
    })),
    ...both((family) => ({
      sentence: "it cannot ping that address",
      hook,
      packet: icmp(fromA(family, hairpin), family, "echo-request", 7),
      verdict: "drop 151",
    })),
  ];
  const fragments = both((family) => ({
    sentence: "later fragments follow their first",
    hook,
    before: [{ hook, packet: pieces(family, "sent")[0] as Uint8Array }],
    packet: pieces(family, "sent")[1] as Uint8Array,
    verdict: "redirect",
    out: pieces(family, "heard")[1] as Uint8Array,
  }));
  table(() => node, [...flows, ...nodePorts, ...errors, ...fragments]);
});

function pieces(family: Family, where: "sent" | "heard"): Uint8Array[] {
  const packet = where === "sent" ? fromA(family, service) : toPod("a", family, [hairpin, a], back);
  const datagram = packet.udp({
    sport: client,
    dport: where === "sent" ? 80 : 8080,
    payload: new Uint8Array(3000),
  });
  return cutIntoFragments(datagram.bytes(), { size: 1400, id: 7 });
}
