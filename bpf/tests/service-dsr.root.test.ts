// Direct server return: backends elsewhere answer clients from outside themselves, as the frontend that the packet says.
import { after, describe } from "node:test";
import { cutIntoFragments, ether } from "@tsilium/net";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { TestNode } from "./node.ts";
import { anyNode, type FrontendSpec, type Place, type ProtocolName } from "./service-spec.ts";
import {
  dsrOption,
  external,
  fromB,
  inner,
  portUnreachable,
  segment,
  tooBig,
  wire,
  withOptions,
} from "./service-world.ts";
import { both, table, type Row, type Step } from "./table.ts";
import {
  a,
  b,
  type Family,
  frame,
  macs,
  node as nodeAddress,
  otherNode,
  type Party,
  remotePod,
  router,
  toPod,
  world,
} from "./world.ts";

const services = { ...plainServices, nodePort: true, dsr: "opt" } as const;
const tunnelling = new TestNode({ services });
const native = new TestNode({ routingMode: "native", services });
after(() => tunnelling[Symbol.dispose]());
after(() => native[Symbol.dispose]());

const client = 40000;
const tunnel = { outerSource: otherNode[4], vni: 2 };
const names = ["tcp", "udp", "sctp"] as const;
const portOf = (protocol: ProtocolName) => (protocol === "sctp" ? 80 : 8080);

const direct: FrontendSpec = { at: external(60), port: 80, kind: "external", dsr: true };
const nodePort: FrontendSpec = { at: nodeAddress, port: 30080, kind: "node-port", dsr: true };
const anyNodePort: FrontendSpec = { ...nodePort, at: anyNode };
const indirect: FrontendSpec = { at: external(61), port: 80, kind: "external" };
const ofHost: FrontendSpec = { at: external(62), port: 80, kind: "external", dsr: true };
/** What node-2's frontends are called here: of its node port there is none of its own. */
const elsewhere: Place = { at: otherNode, port: 30080 };

for (const each of [tunnelling, native])
  each.services.set([
    {
      frontends: [direct, nodePort, anyNodePort],
      protocols: ["tcp", "udp"],
      backends: [{ at: remotePod, port: 8080 }],
    },
    { frontends: [direct], protocols: ["sctp"], backends: [{ at: remotePod, port: 80 }] },
    {
      frontends: [indirect],
      protocols: ["tcp", "udp"],
      backends: [{ at: remotePod, port: 8080 }],
    },
    {
      frontends: [ofHost],
      protocols: ["tcp", "udp"],
      backends: [{ at: otherNode, port: 8080 }],
    },
  ]);

const ask = (
  family: Family,
  protocol: ProtocolName,
  { at, port }: Place,
  flags: "SYN" | "ACK" = "SYN",
) => segment(wire(family, [world, at]), protocol, { sport: client, dport: port, flags });
const reply = { dport: client, flags: ["SYN", "ACK"] } as const;

/** What goes to the backend's node, saying where the client asked. */
const said = (family: Family, protocol: ProtocolName, frontend: Place) =>
  segment(
    withOptions(family, [world, remotePod], {
      options: dsrOption(family, frontend),
      ttl: 63,
      dst: macs.here,
    }),
    protocol,
    { sport: client, dport: portOf(protocol) },
  );

function atTheClientsNode(): Row[] {
  const from = "from_netdev";
  return [
    ...names.flatMap((protocol) =>
      both((family) => ({
        sentence: `${protocol} to a frontend that is answered directly says it, as the client's own packet`,
        hook: from,
        packet: ask(family, protocol, direct),
        verdict: "redirect",
        out: said(family, protocol, direct),
      })),
    ),
    ...both((family) => ({
      sentence: "so does what comes to a node port",
      hook: from,
      packet: ask(family, "tcp", nodePort),
      verdict: "redirect",
      out: said(family, "tcp", nodePort),
    })),
    ...both((family) => ({
      sentence: "TCP says it once",
      hook: from,
      before: [{ hook: from, packet: ask(family, "tcp", direct) }],
      packet: ask(family, "tcp", direct, "ACK"),
      verdict: "redirect",
      out: segment(wire(family, [world, remotePod], { ttl: 63 }), "tcp", {
        sport: client,
        dport: 8080,
        flags: "ACK",
      }),
    })),
    ...both((family) => ({
      sentence: "UDP every time",
      hook: from,
      before: [{ hook: from, packet: ask(family, "udp", direct) }],
      packet: ask(family, "udp", direct),
      verdict: "redirect",
      out: said(family, "udp", direct),
    })),
    ...both((family) => ({
      sentence: "a datagram's first fragment says it",
      hook: from,
      packet: pieces(family, "asked")[0] as Uint8Array,
      verdict: "redirect",
      out: pieces(family, "said")[0] as Uint8Array,
    })),
    ...both((family) => ({
      sentence: "and later ones follow",
      hook: from,
      before: [{ hook: from, packet: pieces(family, "asked")[0] as Uint8Array }],
      packet: pieces(family, "asked")[1] as Uint8Array,
      verdict: "redirect",
      out: pieces(family, "sent on")[1] as Uint8Array,
    })),
    ...both((family) => ({
      sentence: "an error by the client about an answer goes on as it is",
      hook: from,
      before: [{ hook: from, packet: ask(family, "udp", direct) }],
      packet: portUnreachable(
        wire(family, [world, direct.at]),
        family,
        segment(frame(family, [direct.at, world]), "udp", { sport: 80, dport: client }),
      ),
      verdict: "redirect",
      out: portUnreachable(
        wire(family, [world, remotePod], { ttl: 63 }),
        family,
        segment(frame(family, [remotePod, world]), "udp", { sport: 8080, dport: client }),
      ),
    })),
    {
      sentence: "IPv4: beside other options there is no room for it (193)",
      hook: from,
      packet: segment(
        withOptions(4, [world, direct.at], {
          options: Uint8Array.of(7, 7, 4, 0, 0, 0, 0, 0),
          dst: macs.here,
        }),
        "udp",
        { sport: client, dport: 80 },
      ),
      verdict: "drop 193",
    },
  ];
}

function pieces(family: Family, how: "asked" | "said" | "sent on"): Uint8Array[] {
  const fields = { sport: client, dport: how === "asked" ? 80 : 8080 };
  const payload = new Uint8Array(3000);
  const cut = { size: 1200, id: 7 };
  if (how === "asked")
    return cutIntoFragments(
      wire(family, [world, direct.at])
        .udp({ ...fields, payload })
        .bytes(),
      cut,
    );
  const plain = wire(family, [world, remotePod], { ttl: 63 });
  const whole = plain.udp({ ...fields, payload }).bytes();
  const [first, ...later] = cutIntoFragments(whole, cut) as [Uint8Array, ...Uint8Array[]];
  return [how === "said" ? inserted(family, first) : first, ...later];
}

/** The fragment with the option in its place: behind IPv4's header, before IPv6's fragment header. */
function inserted(family: Family, fragment: Uint8Array): Uint8Array {
  const options = dsrOption(family, direct);
  const header = withOptions(family, [world, remotePod], { options, ttl: 63, dst: macs.here });
  if (family === 6)
    return header
      .fragment({ id: 7, more: true, protocol: 17 })
      .payload(fragment.subarray(14 + 40 + 8))
      .bytes();
  const link = { src: macs.stranger, dst: macs.here };
  return ether(link)
    .ipv4({
      src: world[4],
      dst: remotePod[4],
      ttl: 63,
      id: 7,
      moreFragments: true,
      protocol: 17,
      options,
    })
    .payload(fragment.subarray(14 + 20))
    .bytes();
}

/** UDP of so many bytes from the IP header on. */
function sized(
  family: Family,
  protocol: "tcp" | "udp",
  size: number,
  [to, dport]: [Party, number],
  ttl = 64,
) {
  const headers = (family === 4 ? 20 : 40) + (protocol === "tcp" ? 20 : 8);
  return segment(wire(family, [world, to], { ttl }), protocol, {
    sport: client,
    dport,
    flags: "ACK",
    payload: "x".repeat(size - headers),
  });
}

/** The largest that goes on, and what is said of the next byte. `mtu`: of the way to the backend's node. */
function sizes(mtu: number): Row[] {
  const hook = "from_netdev";
  const room = (family: Family) => mtu - (family === 4 ? 8 : 24);
  return [
    ...both((family) => ({
      sentence: `the option counts: what has no room beside it is too big, and the client hears what is not (136)`,
      hook,
      packet: sized(family, "udp", room(family) + 1, [direct.at, 80]),
      verdict: "refuse 136",
      out: tooBig(
        frame(family, [direct.at, world], { src: macs.here, dst: macs.stranger }),
        family,
        room(family),
        sized(family, "udp", room(family) + 1, [direct.at, 80]),
        (family === 4 ? 20 : 40) + 20,
      ),
    })),
    ...both((family) => ({
      sentence: "what has goes on",
      hook,
      packet: sized(family, "udp", room(family), [direct.at, 80]),
      verdict: "redirect",
      out: segment(
        withOptions(family, [world, remotePod], {
          options: dsrOption(family, direct),
          ttl: 63,
          dst: macs.here,
        }),
        "udp",
        {
          sport: client,
          dport: 8080,
          payload: "x".repeat(room(family) - (family === 4 ? 28 : 48)),
        },
      ),
    })),
    ...both((family) => ({
      sentence: "TCP's data may be as big as the way lets it",
      hook,
      before: [{ hook, packet: ask(family, "tcp", direct) }],
      packet: sized(family, "tcp", mtu, [direct.at, 80]),
      verdict: "redirect",
      out: sized(family, "tcp", mtu, [remotePod, 8080], 63),
    })),
  ];
}

describe("where the client asks, in tunnel mode", () => {
  const snat = [
    {
      what: "a frontend that is not answered directly",
      frontend: indirect,
      from: router,
      to: remotePod,
    },
    {
      what: "a process of another node, which knows nothing of this",
      frontend: ofHost,
      from: nodeAddress,
      to: otherNode,
    },
  ].flatMap(({ what, frontend, from, to }) =>
    both((family) => ({
      sentence: `${what}: the node takes the client's place`,
      hook: "from_netdev",
      packet: ask(family, "tcp", frontend),
      verdict: "redirect",
      out: segment(wire(family, [from, to], { ttl: 63 }), "tcp", { sport: client, dport: 8080 }),
    })),
  );
  table(() => tunnelling, [...atTheClientsNode(), ...snat, ...sizes(1450)]);
});

describe("where the client asks, with native routing", () => {
  table(() => native, [...atTheClientsNode(), ...sizes(1500)]);
});

/** How a packet comes to the backend's node. */
type Way = {
  readonly hook: "from_overlay" | "from_netdev";
  readonly tunnel?: { readonly outerSource: string; readonly vni: number };
};

const toB = (family: Family, protocol: ProtocolName, frontend: Place, from: Party = world) =>
  segment(
    withOptions(family, [from, b], { options: dsrOption(family, frontend), dst: macs.here }),
    protocol,
    { sport: client, dport: portOf(protocol) },
  );
const answerOfB = (family: Family, protocol: ProtocolName) =>
  segment(fromB(family, b, world), protocol, { sport: portOf(protocol), ...reply });
const answeredAs = (family: Family, protocol: ProtocolName, { at, port }: Place) =>
  segment(frame(family, [at, world], { src: macs.b, dst: macs.gatewayOfB, ttl: 63 }), protocol, {
    sport: port,
    ...reply,
  });

function atTheBackendsNode(way: Way): Row[] {
  const step = (family: Family, protocol: ProtocolName, frontend: Place): Step => ({
    ...way,
    packet: toB(family, protocol, frontend),
  });
  const byB = { hook: "from_container", pod: "b" } as const;
  const known = [
    ["a load balancer's address", direct],
    ["its own node port", nodePort],
    ["another node's node port", elsewhere],
  ] as const;
  return [
    ...names.flatMap((protocol) => [
      ...both((family) => ({
        sentence: `${protocol}: what is said is taken off`,
        ...way,
        packet: toB(family, protocol, direct),
        verdict: "redirect",
        out: segment(toPod("b", family, [world, b]), protocol, {
          sport: client,
          dport: portOf(protocol),
        }),
      })),
      ...both((family) => ({
        sentence: `${protocol}: and the backend's answer leaves from there`,
        ...byB,
        before: [step(family, protocol, direct)],
        packet: answerOfB(family, protocol),
        verdict: "redirect",
        out: answeredAs(family, protocol, direct),
      })),
    ]),
    ...known.flatMap(([what, frontend]) =>
      (["tcp", "udp"] as const).flatMap((protocol) =>
        both((family) => ({
          sentence: `${protocol} that says ${what} is answered as that`,
          ...byB,
          before: [step(family, protocol, frontend)],
          packet: answerOfB(family, protocol),
          verdict: "redirect",
          out: answeredAs(family, protocol, frontend),
        })),
      ),
    ),
    ...both((family) => ({
      sentence: "the rest of a TCP connection need not say it",
      ...byB,
      before: [
        step(family, "tcp", direct),
        {
          ...way,
          packet: segment(inner(family, [world, b], { dst: macs.here }), "tcp", {
            sport: client,
            dport: 8080,
            flags: "ACK",
          }),
        },
      ],
      packet: segment(fromB(family, b, world), "tcp", {
        sport: 8080,
        dport: client,
        flags: "ACK",
      }),
      verdict: "redirect",
      out: segment(
        frame(family, [direct.at, world], { src: macs.b, dst: macs.gatewayOfB, ttl: 63 }),
        "tcp",
        { sport: 80, dport: client, flags: "ACK" },
      ),
    })),
    ...inPieces(way),
    ...both((family) => ({
      sentence: "the backend's error about what it was sent comes from the service",
      ...byB,
      before: [step(family, "udp", direct)],
      packet: portUnreachable(
        fromB(family, b, world),
        family,
        segment(toPod("b", family, [world, b]), "udp", { sport: client, dport: 8080 }),
      ),
      verdict: "redirect",
      out: portUnreachable(
        frame(family, [direct.at, world], { src: macs.b, dst: macs.gatewayOfB, ttl: 63 }),
        family,
        segment(toPod("b", family, [world, direct.at]), "udp", { sport: client, dport: 80 }),
      ),
    })),
    ...(
      [
        ["a frontend that is not answered directly", indirect],
        ["an address that is no service's", { at: external(99), port: 80 }],
        ["another port than the service has", { at: direct.at, port: 81 }],
        ["a node port of nobody's", { at: otherNode, port: 30099 }],
      ] as const
    ).flatMap(([what, frontend]) =>
      both((family) => ({
        sentence: `${what} is not believed: the backend answers as itself`,
        ...byB,
        before: [step(family, "tcp", frontend)],
        packet: answerOfB(family, "tcp"),
        verdict: "pass",
      })),
    ),
  ];
}

/** A datagram that a router on the way cut: the option says that it is to be in all fragments. */
function inPieces(way: Way): Row[] {
  const payload = new Uint8Array(3000);
  const cut = { size: 1200, id: 7 };
  const datagram = { sport: client, dport: 8080, payload };
  const options = dsrOption(4, direct);
  const came = cutIntoFragments(
    withOptions(4, [world, b], { options, dst: macs.here }).udp(datagram).bytes(),
    cut,
  );
  const went = cutIntoFragments(toPod("b", 4, [world, b]).udp(datagram).bytes(), cut);
  return came.map((packet, at) => ({
    sentence: `IPv4: what is said is taken off fragment ${at + 1}`,
    ...way,
    before: came.slice(0, at).map((earlier) => ({ ...way, packet: earlier })),
    packet,
    verdict: "redirect",
    out: went[at] as Uint8Array,
  }));
}

describe("where the backend is, in tunnel mode", () => {
  const onTheWire: Way = { hook: "from_netdev" };
  const forged: Row[] = [
    ...both((family) => ({
      sentence: "what the underlay says is left on",
      ...onTheWire,
      packet: toB(family, "tcp", direct),
      verdict: "redirect",
      out: segment(
        withOptions(family, [world, b], {
          options: dsrOption(family, direct),
          ttl: 63,
          src: macs.gatewayOfB,
          dst: macs.b,
        }),
        "tcp",
        { sport: client, dport: 8080 },
      ),
    })),
    ...both((family) => ({
      sentence: "and not believed: the backend answers as itself",
      hook: "from_container",
      pod: "b",
      before: [{ ...onTheWire, packet: toB(family, "tcp", direct) }],
      packet: answerOfB(family, "tcp"),
      verdict: "pass",
    })),
    ...both((family) => ({
      sentence: "a pod of this node says nothing that is believed",
      hook: "from_container",
      pod: "b",
      before: [
        {
          hook: "from_container",
          packet: segment(
            withOptions(family, [a, b], {
              options: dsrOption(family, direct),
              src: macs.a,
              dst: macs.here,
            }),
            "tcp",
            { sport: client, dport: 8080 },
          ),
        },
      ],
      packet: segment(fromB(family, b, a), "tcp", { sport: 8080, ...reply }),
      verdict: "redirect",
      out: segment(toPod("a", family, [b, a]), "tcp", { sport: 8080, ...reply }),
    })),
    ...both((family) => ({
      sentence: "no node that is not known says anything (172)",
      hook: "from_overlay",
      tunnel: { ...tunnel, outerSource: "172.18.0.66" },
      packet: toB(family, "tcp", direct),
      verdict: "drop 172",
    })),
  ];
  const malformed: Row[] = [
    ["of another length", Uint8Array.of(0x9a, 7, 0, 80, 192, 0, 2, 60)],
    ["of another kind", Uint8Array.of(0x94, 8, 0, 80, 192, 0, 2, 60)],
    ["after another one", Uint8Array.of(1, 1, 1, 1, 0x9a, 8, 0, 80, 192, 0, 2, 60)],
  ].map(([what, options]) => ({
    sentence: `IPv4: an option ${what as string} is not ours`,
    hook: "from_overlay",
    tunnel,
    packet: segment(withOptions(4, [world, b], { options: options as Uint8Array }), "tcp", {
      sport: client,
      dport: 8080,
    }),
    verdict: "redirect",
    out: segment(
      withOptions(4, [world, b], {
        options: options as Uint8Array,
        ttl: 63,
        src: macs.gatewayOfB,
        dst: macs.b,
      }),
      "tcp",
      { sport: client, dport: 8080 },
    ),
  }));
  table(
    () => tunnelling,
    [...atTheBackendsNode({ hook: "from_overlay", tunnel }), ...forged, ...malformed],
  );
});

describe("where the backend is, with native routing", () => {
  table(() => native, atTheBackendsNode({ hook: "from_netdev" }));
});
