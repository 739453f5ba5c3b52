// The packets whose cost is told: the shipped programs, in the small world of the packet tables (bpf/tests).
import type { PacketBuilder } from "@tsilium/net";
import type { Hook, Tunnelled } from "../../bpf/tests/node.ts";
import {
  a,
  b,
  frame,
  fromA,
  macs,
  otherNode,
  remotePod,
  world,
  type Family,
} from "../../bpf/tests/world.ts";

export type Packet = {
  readonly hook: Hook;
  readonly packet: PacketBuilder;
  /** Interface it arrives on; lo, which stands for pod a's, when absent. */
  readonly ifindex?: number;
  readonly tunnel?: Tunnelled;
};

export type Row = {
  readonly sentence: string;
  /** What went before, in order. */
  readonly before: readonly Packet[];
  readonly measured: Packet;
  /** Each run is a connection of its own. */
  readonly isNew?: boolean;
};

/** Pod b's interface; the bench makes one of that number. */
export const interfaceOfB = 12;

const clientPort = 50_000;
const forward = { sport: clientPort, dport: 80 };
const backward = { sport: 80, dport: clientPort };
const tunnel: Tunnelled = { outerSource: otherNode[4], vni: 2001 };

/** A TCP connection from pod a to a port of pod b, as the packets that each hook meets. */
export function localConnection(family: Family, port = 80) {
  const ports = { sport: clientPort, dport: port };
  const answering = { sport: port, dport: clientPort };
  const there = (packet: PacketBuilder): Packet => ({ hook: "from_container", packet });
  const back = (packet: PacketBuilder): Packet => ({
    hook: "from_container",
    packet,
    ifindex: interfaceOfB,
  });
  const toB = () => fromA(family, b);
  const toA = () => frame(family, [b, a], { src: macs.b, dst: macs.gatewayOfB });
  return {
    syn: there(toB().tcp({ ...ports, flags: "SYN" })),
    synAck: back(toA().tcp({ ...answering, flags: ["SYN", "ACK"] })),
    data: there(toB().tcp({ ...ports, flags: "ACK", payload: "x" })),
    reply: back(toA().tcp({ ...answering, flags: "ACK", payload: "x" })),
  };
}

function remoteConnection(family: Family) {
  const there = (packet: PacketBuilder): Packet => ({ hook: "from_container", packet });
  const back = (packet: PacketBuilder): Packet => ({ hook: "from_overlay", packet, tunnel });
  const out = () => fromA(family, remotePod);
  const inner = () => frame(family, [remotePod, a], { src: macs.stranger, dst: macs.stranger });
  return {
    syn: there(out().tcp({ ...forward, flags: "SYN" })),
    synAck: back(inner().tcp({ ...backward, flags: ["SYN", "ACK"] })),
    data: there(out().tcp({ ...forward, flags: "ACK", payload: "x" })),
    reply: back(inner().tcp({ ...backward, flags: "ACK", payload: "x" })),
  };
}

function masqueradedConnection(family: Family) {
  const link = { src: macs.here, dst: macs.here };
  const out = (packet: PacketBuilder): Packet => ({ hook: "to_netdev", packet });
  const toWorld = () => frame(family, [a, world], link);
  return {
    syn: out(toWorld().tcp({ ...forward, flags: "SYN" })),
    data: out(toWorld().tcp({ ...forward, flags: "ACK", payload: "x" })),
  };
}

/** The rows of one family. */
export function rows(family: Family): Row[] {
  const local = localConnection(family);
  const remote = remoteConnection(family);
  const masqueraded = masqueradedConnection(family);
  const opened = [local.syn, local.synAck, local.data];
  const openedRemote = [remote.syn, remote.synAck, remote.data];
  const udp: Packet = {
    hook: "from_container",
    packet: fromA(family, b).udp({ ...forward, payload: "query of a name" }),
  };
  return [
    { sentence: "local pod, new (SYN)", before: [], measured: local.syn, isNew: true },
    { sentence: "local pod, established", before: opened, measured: local.data },
    { sentence: "local pod, reply", before: opened, measured: local.reply },
    { sentence: "local pod, new UDP", before: [], measured: udp, isNew: true },
    {
      sentence: "remote pod, established, into the tunnel",
      before: openedRemote,
      measured: remote.data,
    },
    {
      sentence: "remote pod, reply, out of the tunnel",
      before: openedRemote,
      measured: remote.reply,
    },
    { sentence: "world, new, masqueraded", before: [], measured: masqueraded.syn, isNew: true },
    {
      sentence: "world, established, masqueraded",
      before: [masqueraded.syn],
      measured: masqueraded.data,
    },
  ];
}
