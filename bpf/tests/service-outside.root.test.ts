// Clients from outside at services' addresses: to backends everywhere, and the way back to them.
import { after, describe } from "node:test";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { TestNode } from "./node.ts";
import { nowhere } from "./run-netns.ts";
import type { Place, ProtocolName, ServiceSpec } from "./service-spec.ts";
import { external, fromB, inner, segment, stacked, wire } from "./service-world.ts";
import { both, table, type Row, type Step } from "./table.ts";
import {
  b,
  type Family,
  frame,
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

const hook = "from_netdev";
const client = 40000;
const names = ["tcp", "udp", "sctp"] as const;
const tunnel = { outerSource: otherNode[4], vni: identities.remotePod };

/** A service's addresses, by number: a node port, a load balancer's address, and a port of a pod at the node. */
const doors = (number: number) =>
  ({
    "a node port": { at: nodeAddress, port: 30080 + number, kind: "node-port" },
    "a load balancer's address": { at: external(number), port: 80, kind: "external" },
    "a host port": { at: nodeAddress, port: 8000 + number, kind: "host-port" },
  }) as const;
type Door = keyof ReturnType<typeof doors>;

const numbers = { local: 1, host: 2, remote: 3, otherHost: 4, world: 5, scopes: 6, high: 7 };
const backends = {
  local: b,
  host: nodeAddress,
  remote: remotePod,
  otherHost: otherNode,
  world: hop,
};
type Where = keyof typeof backends;

/** SCTP keeps its port: a backend for each. */
function service(where: Where): ServiceSpec[] {
  const frontends = Object.values(doors(numbers[where]));
  const sctp = frontends.map((frontend): ServiceSpec => ({
    frontends: [frontend],
    protocols: ["sctp"],
    backends: [{ at: backends[where], port: frontend.port }],
  }));
  return [
    { frontends, protocols: ["tcp", "udp"], backends: [{ at: backends[where], port: 8080 }] },
    ...sctp,
  ];
}

const specs: ServiceSpec[] = [
  ...(Object.keys(backends) as Where[]).flatMap(service),
  {
    // Traffic policies: clients of the cluster get one backend, those from outside another.
    frontends: Object.values(doors(numbers.scopes)),
    protocols: ["tcp", "udp"],
    backends: [{ at: remotePod, port: 8080 }],
    external: [{ at: b, port: 8080 }],
  },
  {
    // A process that listens where masquerading takes its ports from.
    frontends: Object.values(doors(numbers.high)),
    protocols: ["tcp", "udp"],
    backends: [{ at: nodeAddress, port: 45000 }],
  },
];
for (const each of [tunnelling, native]) each.services.set(specs);

const portOf = (protocol: ProtocolName, { port }: Place) => (protocol === "sctp" ? port : 8080);
const door = (where: keyof typeof numbers, name: Door): Place => doors(numbers[where])[name];

const ask = (
  family: Family,
  protocol: ProtocolName,
  { at, port }: Place,
  { from = world, ttl = 64 }: { readonly from?: Party; readonly ttl?: number } = {},
) => segment(wire(family, [from, at], { ttl }), protocol, { sport: client, dport: port });
const asked = (family: Family, protocol: ProtocolName, place: Place): Step => ({
  hook,
  packet: ask(family, protocol, place),
});
const reply = { dport: client, flags: ["SYN", "ACK"] } as const;

/** Rows that both routing modes share. */
function shared(protocol: ProtocolName, name: Door): Row[] {
  const [local, host, otherHost, outside] = (["local", "host", "otherHost", "world"] as const).map(
    (where) => door(where, name),
  ) as [Place, Place, Place, Place];
  const about = `${protocol} to ${name}`;
  const ofB = { src: macs.b, dst: macs.gatewayOfB };
  return [
    ...both((family) => ({
      sentence: `${about} with a backend here is handed to it, from its client`,
      hook,
      packet: ask(family, protocol, local),
      verdict: "redirect",
      out: segment(toPod("b", family, [world, b]), protocol, {
        sport: client,
        dport: portOf(protocol, local),
      }),
    })),
    ...both((family) => ({
      sentence: `${about}: the answer leaves past the stack, from the service`,
      hook: "from_container",
      pod: "b",
      before: [asked(family, protocol, local)],
      packet: segment(fromB(family, b, world), protocol, {
        sport: portOf(protocol, local),
        ...reply,
      }),
      verdict: "redirect",
      out: segment(frame(family, [local.at, world], { ...ofB, ttl: 63 }), protocol, {
        sport: local.port,
        ...reply,
      }),
    })),
    ...both((family) => ({
      sentence: `${about} with a process of the node behind it goes to the stack`,
      hook,
      packet: ask(family, protocol, host),
      verdict: "pass",
      out: segment(wire(family, [world, nodeAddress]), protocol, {
        sport: client,
        dport: portOf(protocol, host),
      }),
    })),
    ...both((family) => ({
      sentence: `${about}: the process's answer comes from the service`,
      hook: "to_netdev",
      before: [asked(family, protocol, host)],
      packet: segment(stacked(family, [nodeAddress, world]), protocol, {
        sport: portOf(protocol, host),
        ...reply,
      }),
      verdict: "untouched",
      out: segment(stacked(family, [host.at, world]), protocol, { sport: host.port, ...reply }),
    })),
    ...[
      { who: "another node's process", at: otherNode, place: otherHost },
      { who: "a host outside", at: hop, place: outside },
    ].flatMap(({ who, at, place }) => [
      ...both((family) => ({
        sentence: `${about} with ${who} behind it goes there from the node`,
        hook,
        packet: ask(family, protocol, place),
        verdict: "redirect",
        out: segment(wire(family, [nodeAddress, at], { ttl: 63 }), protocol, {
          sport: client,
          dport: portOf(protocol, place),
        }),
      })),
      ...both((family) => ({
        sentence: `${about}: the answer of ${who} goes on to the client, from the service`,
        hook,
        before: [asked(family, protocol, place)],
        packet: segment(wire(family, [at, nodeAddress]), protocol, {
          sport: portOf(protocol, place),
          ...reply,
        }),
        verdict: "redirect",
        out: segment(wire(family, [place.at, world], { ttl: 63 }), protocol, {
          sport: place.port,
          ...reply,
        }),
      })),
    ]),
  ];
}

const everyDoor = <T>(make: (protocol: ProtocolName, name: Door) => T[]) =>
  names.flatMap((protocol) =>
    (Object.keys(doors(0)) as Door[]).flatMap((name) => make(protocol, name)),
  );

describe("clients from outside in tunnel mode", () => {
  const rows = everyDoor((protocol, name): Row[] => {
    const place = door("remote", name);
    return [
      ...shared(protocol, name),
      ...both((family) => ({
        sentence: `${protocol} to ${name} with another node's pod behind it enters the tunnel, from the router`,
        hook,
        packet: ask(family, protocol, place),
        verdict: "redirect",
        out: segment(wire(family, [router, remotePod], { ttl: 63 }), protocol, {
          sport: client,
          dport: portOf(protocol, place),
        }),
      })),
      ...both((family) => ({
        sentence: `${protocol} to ${name}: the answer out of the tunnel goes on to the client`,
        hook: "from_overlay",
        tunnel,
        before: [asked(family, protocol, place)],
        packet: segment(inner(family, [remotePod, router]), protocol, {
          sport: portOf(protocol, place),
          ...reply,
        }),
        verdict: "redirect",
        out: segment(inner(family, [place.at, world], { ttl: 63 }), protocol, {
          sport: place.port,
          ...reply,
        }),
      })),
    ];
  });
  table(() => tunnelling, rows);
});

describe("clients from outside with native routing", () => {
  const rows = everyDoor((protocol, name): Row[] => {
    const place = door("remote", name);
    return [
      ...shared(protocol, name),
      ...both((family) => ({
        sentence: `${protocol} to ${name} with another node's pod behind it goes there from the node`,
        hook,
        packet: ask(family, protocol, place),
        verdict: "redirect",
        out: segment(wire(family, [nodeAddress, remotePod], { ttl: 63 }), protocol, {
          sport: client,
          dport: portOf(protocol, place),
        }),
      })),
      ...both((family) => ({
        sentence: `${protocol} to ${name}: the answer goes on to the client, from the service`,
        hook,
        before: [asked(family, protocol, place)],
        packet: segment(wire(family, [remotePod, nodeAddress]), protocol, {
          sport: portOf(protocol, place),
          ...reply,
        }),
        verdict: "redirect",
        out: segment(wire(family, [place.at, world], { ttl: 63 }), protocol, {
          sport: place.port,
          ...reply,
        }),
      })),
    ];
  });
  table(() => native, rows);
});

describe("who a client is", () => {
  const place = door("scopes", "a node port");
  const rows: Row[] = (["tcp", "udp"] as const).flatMap((protocol) => [
    ...both((family) => ({
      sentence: `${protocol} from outside gets external backends`,
      hook,
      packet: ask(family, protocol, place),
      verdict: "redirect",
      out: segment(toPod("b", family, [world, b]), protocol, { sport: client, dport: 8080 }),
    })),
    ...both((family) => ({
      sentence: `${protocol} from another node gets internal backends`,
      hook,
      packet: ask(family, protocol, place, { from: otherNode }),
      verdict: "redirect",
      out: segment(wire(family, [router, remotePod], { ttl: 63 }), protocol, {
        sport: client,
        dport: 8080,
      }),
    })),
  ]);
  const natively: Row[] = both((family) => ({
    sentence: "another node's pod, by its own address, gets internal backends",
    hook,
    packet: ask(family, "tcp", place, { from: { ...remotePod, 4: "10.244.1.10" } }),
    verdict: "redirect",
    out: segment(wire(family, [nodeAddress, remotePod], { ttl: 63 }), "tcp", {
      sport: client,
      dport: 8080,
    }),
  }));
  table(() => tunnelling, rows);
  table(() => native, natively);
});

describe("the ends of the way", () => {
  const high = door("high", "a node port");
  const place = door("otherHost", "a node port");
  const rows: Row[] = [
    ...both((family) => ({
      sentence: "a process that listens among masquerading's ports answers as the service too",
      hook: "to_netdev",
      before: [asked(family, "tcp", high)],
      packet: segment(stacked(family, [nodeAddress, world]), "tcp", { sport: 45000, ...reply }),
      verdict: "untouched",
      out: segment(stacked(family, [nodeAddress, world]), "tcp", { sport: high.port, ...reply }),
    })),
    ...both((family) => ({
      sentence: "a process's answers to others stay its own",
      hook: "to_netdev",
      before: [asked(family, "tcp", door("host", "a node port"))],
      packet: segment(stacked(family, [nodeAddress, hop]), "tcp", { sport: 8080, ...reply }),
      verdict: "untouched",
    })),
    ...both((family) => ({
      sentence: "what is to go on, but has no hops left, is dropped (196)",
      hook,
      packet: ask(family, "tcp", place, { ttl: 1 }),
      verdict: "drop 196",
    })),
    ...both((family) => ({
      sentence: "so is what is to go through the tunnel (196)",
      hook,
      packet: ask(family, "tcp", door("remote", "a node port"), { ttl: 1 }),
      verdict: "drop 196",
    })),
    ...both((family) => ({
      sentence: "an answer that no route leads on is dropped (169)",
      hook: "from_container",
      pod: "b",
      before: [
        { hook, packet: ask(family, "tcp", door("local", "a node port"), { from: nowhere }) },
      ],
      packet: segment(fromB(family, b, nowhere), "tcp", { sport: 8080, ...reply }),
      verdict: "drop 169",
    })),
    ...both((family) => ({
      sentence: "who answers without having been asked is the node's own business",
      hook,
      packet: segment(wire(family, [otherNode, nodeAddress]), "tcp", { sport: 8080, ...reply }),
      verdict: "untouched",
    })),
    ...both((family) => ({
      sentence: "nobody else can answer for a backend",
      hook: "from_overlay",
      tunnel,
      before: [asked(family, "tcp", door("remote", "a node port"))],
      packet: segment(
        inner(family, [{ 4: "10.244.1.66", 6: "fd00:10:244:1::66" }, router]),
        "tcp",
        {
          sport: 8080,
          ...reply,
        },
      ),
      verdict: "pass",
    })),
  ];
  table(() => tunnelling, rows);
});
