// The packets whose cost is told, as they meet the shipped programs in the small world of the packet tables (bpf/tests):
// clients at services, what comes before, and what the backends answer.
import { type PacketBuilder, parsePacket } from "@tsilium/net";
import type { Tunnelled } from "../../../bpf/tests/node.ts";
import {
  a,
  b,
  type Family,
  frame,
  fromA,
  macs,
  node,
  otherNode,
  type Party,
  remotePod,
  router,
  world,
} from "../../../bpf/tests/world.ts";
import { interfaceOfB, localConnection, type Packet } from "../../programs/rows.ts";
import { type BenchService, measuredService } from "../workload.ts";

/** A packet, or what it is once the one before has gone through: translations choose ports. */
export type Step = Packet | ((before: Uint8Array) => Packet);

export type Conversation = {
  readonly sentence: string;
  /** What opens it: a new connection. */
  readonly syn: Packet;
  readonly synAck: Step;
  readonly data: Packet;
  /** Comes after the first data. */
  readonly reply: Step;
};

const clientPort = 50_000;
const backendPort = 80;
const tunnel: Tunnelled = { outerSource: otherNode[4], vni: 2001 };
const cluster: Readonly<Record<"local" | "remote", Party>> = {
  local: { 4: "10.96.0.10", 6: "fd00:10:96::a" },
  remote: { 4: "10.96.0.11", 6: "fd00:10:96::b" },
};

/** Their frontends on a backend of this node and of another. */
export function measuredServices(family: Family): readonly [BenchService, BenchService] {
  const of = (number: number, pod: Party, address: Party) =>
    measuredService(
      // The port of any node is one for both families.
      family === 4 ? number : number + 2,
      [{ address: pod[family], port: backendPort }],
      address[family],
    );
  return [of(0, b, cluster.local), of(1, remotePod, cluster.remote)];
}

export function conversations(family: Family): Conversation[] {
  const [local, remote] = measuredServices(family);
  const link = { src: macs.stranger, dst: macs.here };
  const atNode = (packet: PacketBuilder): Packet => ({ hook: "from_netdev", packet });
  const fromPod = (packet: PacketBuilder): Packet => ({ hook: "from_container", packet });
  const fromB = (packet: PacketBuilder): Packet => ({ ...fromPod(packet), ifindex: interfaceOfB });
  const fromRemote = (packet: PacketBuilder): Packet => ({ hook: "from_overlay", packet, tunnel });
  const answering = (to: Party, link: { src: string; dst: string }, from: Party) => () =>
    frame(family, [from, to], link);
  const toWorld = (port: number | undefined) => ({
    wrap: atNode,
    packet: () => frame(family, [world, node], link),
    port: port ?? 0,
  });
  const ofB = { src: macs.b, dst: macs.gatewayOfB };
  const inner = { src: macs.stranger, dst: macs.stranger };
  return [
    { sentence: "pod to pod of its node, no service", ...localConnection(family) },
    {
      sentence: "pod to service, backend on its node",
      ...asked({ wrap: fromPod, packet: () => fromA(family, cluster.local), port: local.port }),
      ...answered({ wrap: fromB, packet: answering(a, ofB, b) }),
    },
    {
      sentence: "pod to service, backend elsewhere, tunnel",
      ...asked({ wrap: fromPod, packet: () => fromA(family, cluster.remote), port: remote.port }),
      ...answered({ wrap: fromRemote, packet: answering(a, inner, remotePod) }),
    },
    {
      sentence: "world to node port, backend on the node",
      ...asked(toWorld(local.nodePort)),
      ...answered({ wrap: fromB, packet: answering(world, ofB, b) }),
    },
    {
      sentence: "world to node port, backend elsewhere, SNAT and tunnel",
      ...asked(toWorld(remote.nodePort)),
      ...answered({ wrap: fromRemote, packet: answering(router, inner, remotePod) }),
    },
  ];
}

type End = {
  readonly wrap: (packet: PacketBuilder) => Packet;
  readonly packet: () => PacketBuilder;
};

function asked({ wrap, packet, port }: End & { readonly port: number }) {
  const ports = { sport: clientPort, dport: port };
  return {
    syn: wrap(packet().tcp({ ...ports, flags: "SYN" })),
    data: wrap(packet().tcp({ ...ports, flags: "ACK", payload: "x" })),
  };
}

/** To the port that the packet before had when it left. */
function answered({ wrap, packet }: End) {
  const ports = (before: Uint8Array) => ({ sport: backendPort, dport: sourcePort(before) });
  return {
    synAck: (before: Uint8Array) => wrap(packet().tcp({ ...ports(before), flags: ["SYN", "ACK"] })),
    reply: (before: Uint8Array) =>
      wrap(packet().tcp({ ...ports(before), flags: "ACK", payload: "x" })),
  };
}

function sourcePort(packet: Uint8Array): number {
  const { tcp } = parsePacket(packet);
  if (tcp === undefined) throw new Error("what was forwarded is not TCP");
  return tcp.sourcePort;
}
