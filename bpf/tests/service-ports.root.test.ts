// A node that stands in for clients lends them ports, which nobody else may use towards the same backend meanwhile.
import { after, describe } from "node:test";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { TestNode } from "./node.ts";
import type { Place, ProtocolName } from "./service-spec.ts";
import { external, inner, segment, stacked, wire } from "./service-world.ts";
import { both, table, type Row, type Step } from "./table.ts";
import {
  type Family,
  hop,
  identities,
  node as nodeAddress,
  otherNode,
  type Party,
  remotePod,
  router,
  world,
} from "./world.ts";

/** Two ports to lend. */
const natPortRange = [50_000, 50_001] as const;
const services = { ...plainServices, nodePort: true };
const tunnelling = new TestNode({ services, natPortRange });
const native = new TestNode({ routingMode: "native", services, natPortRange });
after(() => tunnelling[Symbol.dispose]());
after(() => native[Symbol.dispose]());

const hook = "from_netdev";
const service: Place = { at: external(100), port: 80 };
const second: Place = { at: external(101), port: 80 };
const sctp: Place = { at: external(102), port: 80 };
for (const each of [tunnelling, native])
  each.services.set([
    {
      frontends: [
        { ...service, kind: "external" },
        { at: nodeAddress, port: 30080, kind: "node-port" },
      ],
      protocols: ["tcp", "udp"],
      backends: [{ at: remotePod, port: 8080 }],
    },
    {
      frontends: [{ ...second, kind: "external" }],
      protocols: ["tcp", "udp"],
      backends: [{ at: remotePod, port: 9090 }],
    },
    {
      frontends: [{ ...sctp, kind: "external" }],
      protocols: ["sctp"],
      backends: [{ at: remotePod, port: 80 }],
    },
  ]);

const third: Party = { 4: "203.0.113.77", 6: "2001:db8:113::77" };
type Asked = { readonly protocol?: ProtocolName; readonly sport?: number; readonly to?: Place };
const ask = (
  family: Family,
  from: Party,
  { protocol = "tcp", sport = 50_000, to = service }: Asked = {},
) => segment(wire(family, [from, to.at]), protocol, { sport, dport: to.port });
const asked = (family: Family, from: Party, how?: Asked): Step => ({
  hook,
  packet: ask(family, from, how),
});
const sent = (
  family: Family,
  own: Party,
  [sport, dport]: readonly [number, number],
  protocol: ProtocolName = "tcp",
) => segment(wire(family, [own, remotePod], { ttl: 63 }), protocol, { sport, dport });
const synAck = ["SYN", "ACK"] as const;

/** The same in both routing modes, where the node stands in with this address. */
function lending(own: Party): Row[] {
  return [
    ...both((family) => ({
      sentence: "a client keeps a port that is free",
      hook,
      packet: ask(family, world),
      verdict: "redirect",
      out: sent(family, own, [50_000, 8080]),
    })),
    ...both((family) => ({
      sentence: "another client's port that is not becomes another one",
      hook,
      before: [asked(family, world)],
      packet: ask(family, hop),
      verdict: "redirect",
      out: sent(family, own, [50_001, 8080]),
    })),
    ...both((family) => ({
      sentence: "and stays so",
      hook,
      before: [asked(family, world), asked(family, hop)],
      packet: segment(wire(family, [hop, service.at]), "tcp", {
        sport: 50_000,
        dport: 80,
        flags: "ACK",
      }),
      verdict: "redirect",
      out: segment(wire(family, [own, remotePod], { ttl: 63 }), "tcp", {
        sport: 50_001,
        dport: 8080,
        flags: "ACK",
      }),
    })),
    ...both((family) => ({
      sentence: "a port outside of those that are lent becomes one of them",
      hook,
      before: [asked(family, world)],
      packet: ask(family, hop, { sport: 1234 }),
      verdict: "redirect",
      out: sent(family, own, [50_001, 8080]),
    })),
    ...both((family) => ({
      sentence: "towards another backend all are free",
      hook,
      before: [asked(family, world), asked(family, hop)],
      packet: ask(family, hop, { to: second }),
      verdict: "redirect",
      out: sent(family, own, [50_000, 9090]),
    })),
    ...both((family) => ({
      sentence: "so they are for another protocol",
      hook,
      before: [asked(family, world), asked(family, hop)],
      packet: ask(family, hop, { protocol: "udp" }),
      verdict: "redirect",
      out: sent(family, own, [50_000, 8080], "udp"),
    })),
    ...both((family) => ({
      sentence: "when all are lent the packet is dropped (167)",
      hook,
      before: [asked(family, world), asked(family, hop)],
      packet: ask(family, third),
      verdict: "drop 167",
    })),
    ...both((family) => ({
      sentence: "SCTP gets its own port",
      hook,
      packet: ask(family, world, { protocol: "sctp", sport: 1234, to: sctp }),
      verdict: "redirect",
      out: sent(family, own, [1234, 80], "sctp"),
    })),
    ...both((family) => ({
      sentence: "or none (167)",
      hook,
      before: [asked(family, world, { protocol: "sctp", to: sctp })],
      packet: ask(family, hop, { protocol: "sctp", to: sctp }),
      verdict: "drop 167",
    })),
  ];
}

describe("ports of clients that a node stands in for, in tunnel mode", () => {
  const fromOverlay = {
    hook: "from_overlay",
    tunnel: { outerSource: otherNode[4], vni: identities.remotePod },
  } as const;
  /** A connection of the node's own, from the address that clients share. */
  const own = (family: Family): Step => ({
    hook: "from_host",
    packet: segment(stacked(family, [router, remotePod]), "tcp", { sport: 50_000, dport: 8080 }),
  });
  const rows: Row[] = [
    ...lending(router),
    ...both((family) => ({
      sentence: "the answer to a lent port goes to whom it was lent",
      ...fromOverlay,
      before: [asked(family, world), asked(family, hop)],
      packet: segment(inner(family, [remotePod, router]), "tcp", {
        sport: 8080,
        dport: 50_001,
        flags: synAck,
      }),
      verdict: "redirect",
      out: segment(inner(family, [service.at, hop], { ttl: 63 }), "tcp", {
        sport: 80,
        dport: 50_000,
        flags: synAck,
      }),
    })),
    ...both((family) => ({
      sentence: "a client gets no port that the node itself uses",
      hook,
      before: [own(family)],
      packet: ask(family, world),
      verdict: "redirect",
      out: sent(family, router, [50_001, 8080]),
    })),
    ...both((family) => ({
      sentence: "nor does the node get a client's",
      before: [asked(family, world)],
      ...own(family),
      verdict: "redirect",
      out: segment(stacked(family, [router, remotePod]), "tcp", { sport: 50_001, dport: 8080 }),
    })),
    ...both((family) => ({
      sentence: "the answer to it goes to the stack, its port restored",
      ...fromOverlay,
      before: [asked(family, world), own(family)],
      packet: segment(inner(family, [remotePod, router]), "tcp", {
        sport: 8080,
        dport: 50_001,
        flags: synAck,
      }),
      verdict: "pass",
      out: segment(inner(family, [remotePod, router]), "tcp", {
        sport: 8080,
        dport: 50_000,
        flags: synAck,
      }),
    })),
  ];
  table(() => tunnelling, rows);
});

describe("ports of clients that a node stands in for, with native routing", () => {
  const own = (family: Family): Step => ({
    hook: "to_netdev",
    packet: segment(stacked(family, [nodeAddress, remotePod]), "tcp", {
      sport: 50_000,
      dport: 8080,
    }),
  });
  const rows: Row[] = [
    ...lending(nodeAddress),
    ...both((family) => ({
      sentence: "the answer to a lent port goes to whom it was lent",
      hook,
      before: [asked(family, world), asked(family, hop)],
      packet: segment(wire(family, [remotePod, nodeAddress]), "tcp", {
        sport: 8080,
        dport: 50_001,
        flags: synAck,
      }),
      verdict: "redirect",
      out: segment(wire(family, [service.at, hop], { ttl: 63 }), "tcp", {
        sport: 80,
        dport: 50_000,
        flags: synAck,
      }),
    })),
    ...both((family) => ({
      sentence: "a client gets no port that the node itself uses",
      hook,
      before: [own(family)],
      packet: ask(family, world),
      verdict: "redirect",
      out: sent(family, nodeAddress, [50_001, 8080]),
    })),
    ...both((family) => ({
      sentence: "nor does the node get a client's",
      before: [asked(family, world)],
      ...own(family),
      verdict: "untouched",
      out: segment(stacked(family, [nodeAddress, remotePod]), "tcp", {
        sport: 50_001,
        dport: 8080,
      }),
    })),
  ];
  table(() => native, rows);
});

describe("the same client and backend through two services", () => {
  const answer = (family: Family) =>
    segment(wire(family, [remotePod, nodeAddress]), "udp", { sport: 8080, dport: 50_000 });
  const nodePort: Place = { at: nodeAddress, port: 30080 };
  const rows: Row[] = both((family) => ({
    sentence: "the answer comes from the one that was asked last",
    hook,
    before: [
      asked(family, world, { protocol: "udp" }),
      asked(family, world, { protocol: "udp", to: nodePort }),
    ],
    packet: answer(family),
    verdict: "redirect",
    out: segment(wire(family, [nodeAddress, world], { ttl: 63 }), "udp", {
      sport: 30080,
      dport: 50_000,
    }),
  }));
  table(() => native, rows);
});
