// Direct server return by IP in IP: what a client sent travels to the backend's node as it is, in a packet of the node's.
import { after, describe } from "node:test";
import type { PacketBuilder } from "@tsilium/net";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { TestNode } from "./node.ts";
import { anyNode, type FrontendSpec, type Place, type ProtocolName } from "./service-spec.ts";
import { dsrOption, external, fromB, segment, tooBig, wire, withOptions } from "./service-world.ts";
import { both, table, type Row, type Step } from "./table.ts";
import {
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

const services = { ...plainServices, nodePort: true, dsr: "ipip" } as const;
const node = new TestNode({ routingMode: "native", services });
after(() => node[Symbol.dispose]());

const hook = "from_netdev";
const client = 40000;
const names = ["tcp", "udp", "sctp"] as const;
const direct: FrontendSpec = { at: external(60), port: 80, kind: "external", dsr: true };
const otherPort: FrontendSpec = { at: external(61), port: 80, kind: "external", dsr: true };
const indirect: FrontendSpec = { at: external(62), port: 80, kind: "external" };
const anyNodePort: FrontendSpec = { at: anyNode, port: 30080, kind: "node-port", dsr: true };
const elsewhere: Place = { at: otherNode, port: 30080 };
node.services.set([
  { frontends: [direct], backends: [{ at: remotePod, port: 80 }] },
  { frontends: [otherPort], protocols: ["tcp"], backends: [{ at: remotePod, port: 8080 }] },
  { frontends: [indirect], protocols: ["tcp"], backends: [{ at: remotePod, port: 80 }] },
  { frontends: [anyNodePort], protocols: ["tcp"], backends: [{ at: remotePod, port: 30080 }] },
]);

const ask = (family: Family, protocol: ProtocolName, { at, port }: Place) =>
  segment(wire(family, [world, at]), protocol, { sport: client, dport: port });
const reply = { dport: client, flags: ["SYN", "ACK"] } as const;

/** An IP packet in one between two others. */
function carried(
  packet: PacketBuilder,
  family: Family,
  [from, to]: readonly [Party, Party],
  ttl = 64,
): PacketBuilder {
  return family === 4
    ? packet.ipv4({ src: from[4], dst: to[4], ttl })
    : packet.ipv6({ src: from[6], dst: to[6], hopLimit: ttl });
}

/** What says the frontend whose backend listens elsewhere. */
const said = (family: Family, to: Party, ttl = 64) =>
  withOptions(family, [world, to], { options: dsrOption(family, otherPort), ttl, dst: macs.here });

describe("where the client asks", () => {
  const back = (family: Family) =>
    frame(family, [direct.at, world], { src: macs.here, dst: macs.stranger });
  const sized = (family: Family, size: number) =>
    segment(wire(family, [world, direct.at]), "udp", {
      sport: client,
      dport: 80,
      payload: "x".repeat(size - (family === 4 ? 28 : 48)),
    });
  const room = (family: Family) => 1500 - (family === 4 ? 20 : 40);
  const rows: Row[] = [
    ...names.flatMap((protocol) =>
      both((family) => ({
        sentence: `${protocol} is put into a packet of the node's`,
        hook,
        packet: ask(family, protocol, direct),
        verdict: "redirect",
        out: segment(
          carried(wire(family, [nodeAddress, remotePod]), family, [world, direct.at], 63),
          protocol,
          { sport: client, dport: 80 },
        ),
      })),
    ),
    ...both((family) => ({
      sentence: "a backend at another port than the frontend's could not tell: an option says it",
      hook,
      packet: ask(family, "tcp", otherPort),
      verdict: "redirect",
      out: segment(said(family, remotePod, 63), "tcp", { sport: client, dport: 8080 }),
    })),
    ...both((family) => ({
      sentence: "for a frontend that is not answered directly the node takes the client's place",
      hook,
      packet: ask(family, "tcp", indirect),
      verdict: "redirect",
      out: segment(wire(family, [nodeAddress, remotePod], { ttl: 63 }), "tcp", {
        sport: client,
        dport: 80,
      }),
    })),
    ...both((family) => ({
      sentence: "what has no room in another packet is too big (136)",
      hook,
      packet: sized(family, room(family) + 1),
      verdict: "refuse 136",
      out: tooBig(
        back(family),
        family,
        room(family),
        sized(family, room(family) + 1),
        (family === 4 ? 20 : 40) + 20,
      ),
    })),
    ...both((family) => ({
      sentence: "what has goes on",
      hook,
      packet: sized(family, room(family)),
      verdict: "redirect",
      out: segment(
        carried(wire(family, [nodeAddress, remotePod]), family, [world, direct.at], 63),
        "udp",
        { sport: client, dport: 80, payload: "x".repeat(room(family) - (family === 4 ? 28 : 48)) },
      ),
    })),
    ...both((family) => ({
      sentence: "what has no hops left is dropped (196)",
      hook,
      packet: segment(wire(family, [world, direct.at], { ttl: 1 }), "tcp", {
        sport: client,
        dport: 80,
      }),
      verdict: "drop 196",
    })),
  ];
  table(() => node, rows);
});

describe("where the backend is", () => {
  const toB = (family: Family, protocol: ProtocolName, { at, port }: Place, outer = otherNode) =>
    segment(carried(wire(family, [outer, b]), family, [world, at], 63), protocol, {
      sport: client,
      dport: port,
    });
  const step = (family: Family, protocol: ProtocolName, place: Place): Step => ({
    hook,
    packet: toB(family, protocol, place),
  });
  const known: readonly (readonly [string, Place, readonly ProtocolName[]])[] = [
    ["a load balancer's address", direct, names],
    ["another node's node port", elsewhere, ["tcp"]],
  ];
  const rows: Row[] = [
    ...known.flatMap(([what, place, protocols]) =>
      protocols.flatMap((protocol) => [
        ...both((family) => ({
          sentence: `${protocol} for ${what} is taken out, and handed to the backend`,
          hook,
          packet: toB(family, protocol, place),
          verdict: "redirect",
          out: segment(toPod("b", family, [world, b], { ttl: 62 }), protocol, {
            sport: client,
            dport: place.port,
          }),
        })),
        ...both((family) => ({
          sentence: `${protocol}: the answer leaves from ${what}`,
          hook: "from_container",
          pod: "b",
          before: [step(family, protocol, place)],
          packet: segment(fromB(family, b, world), protocol, { sport: place.port, ...reply }),
          verdict: "redirect",
          out: segment(
            frame(family, [place.at, world], { src: macs.b, dst: macs.gatewayOfB, ttl: 63 }),
            protocol,
            { sport: place.port, ...reply },
          ),
        })),
      ]),
    ),
    ...(
      [
        ["a frontend that is not answered directly", indirect],
        ["an address that is no service's", { at: external(99), port: 80 }],
        ["another port than the service has", { at: direct.at, port: 81 }],
        ["the backend itself", { at: b, port: 80 }],
        ["another pod", { at: remotePod, port: 80 }],
        ["the node", { at: nodeAddress, port: 22 }],
      ] as const
    ).flatMap(([what, place]) =>
      both((family) => ({
        sentence: `what is in it for ${what} is dropped (158)`,
        hook,
        packet: toB(family, "tcp", place),
        verdict: "drop 158",
      })),
    ),
    ...both((family) => ({
      sentence: "what an option says is taken off",
      hook,
      packet: segment(said(family, b), "tcp", { sport: client, dport: 8080 }),
      verdict: "redirect",
      out: segment(toPod("b", family, [world, b]), "tcp", { sport: client, dport: 8080 }),
    })),
    ...both((family) => ({
      sentence: "and the answer leaves from there",
      hook: "from_container",
      pod: "b",
      before: [{ hook, packet: segment(said(family, b), "tcp", { sport: client, dport: 8080 }) }],
      packet: segment(fromB(family, b, world), "tcp", { sport: 8080, ...reply }),
      verdict: "redirect",
      out: segment(
        frame(family, [otherPort.at, world], { src: macs.b, dst: macs.gatewayOfB, ttl: 63 }),
        "tcp",
        { sport: 80, ...reply },
      ),
    })),
    ...both((family) => ({
      sentence: "from anybody but a node it is a protocol that is not tracked (137)",
      hook,
      packet: toB(family, "tcp", direct, world),
      verdict: "drop 137",
    })),
    ...both((family) => ({
      sentence: "from this node itself nobody believes it (132)",
      hook,
      packet: toB(family, "tcp", direct, nodeAddress),
      verdict: "drop 132",
    })),
    ...both((family) => ({
      sentence: "to the node it is the stack's",
      hook,
      packet: segment(
        carried(wire(family, [otherNode, router]), family, [world, direct.at]),
        "tcp",
        { sport: client, dport: 80 },
      ),
      verdict: "untouched",
    })),
  ];
  table(() => node, rows);
});
