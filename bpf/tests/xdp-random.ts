// Random frames for a node that serves the services of xdp-world.ts and a few more: requests, answers, and neither.
import type { TcpFlag } from "@tsilium/net";
import { ether, type PacketBuilder } from "@tsilium/net";
import type { Random } from "@tsilium/testkit";
import type { Place, ServiceSpec } from "./service-spec.ts";
import { external } from "./service-world.ts";
import {
  a,
  type Family,
  hop,
  identities,
  node,
  otherNode,
  type Party,
  remotePod,
  router,
  world,
} from "./world.ts";
import { links } from "./xdp-netns.ts";
import type { XdpNode } from "./xdp-node.ts";
import { lb, nodePort, podBehindIpv6, populate, services, tunnelled } from "./xdp-world.ts";

export type Sent = {
  readonly kind: "requests" | "answers";
  readonly bytes: Uint8Array;
  /** What is inside, of a frame out of the tunnel. */
  readonly inner?: Inner;
};

export type Inner = {
  readonly bytes: Uint8Array;
  readonly outerSource: string;
  readonly vni: number;
};

const at8080 = (party: Party): Place => ({ at: party, port: 8080 });
const balanced = { many: external(20), sticky: external(21), twofold: external(22) };
const backends = [remotePod, otherNode, podBehindIpv6, a].map(at8080);

/** Which backend a flow gets must not be left to chance: sets with several have a Maglev table. */
const balancedServices: readonly ServiceSpec[] = [
  {
    frontends: [{ at: balanced.many, port: 80, kind: "external" }],
    backends,
    maglev: true,
  },
  {
    frontends: [{ at: balanced.sticky, port: 80, kind: "external" }],
    backends,
    maglev: true,
    affinityTimeoutS: 100,
  },
  {
    frontends: [{ at: balanced.twofold, port: 80, kind: "external" }],
    backends: [at8080(otherNode)],
    external: [at8080(remotePod)],
  },
];

/** Everything that the frames ask for. */
export function populateAll(xdp: XdpNode): void {
  populate(xdp);
  xdp.tc.services.set([...services, ...balancedServices]);
}

const asked: readonly (readonly [Party, number])[] = [
  ...Object.values(lb).map((party) => [party, 80] as const),
  ...Object.values(balanced).flatMap((party) => [0, 1, 2].map(() => [party, 80] as const)),
  [lb.pod, 80],
  [lb.pod, 81],
  [node, nodePort],
  [node, nodePort],
  [node, 22],
  [hop, 80],
];

const second: Party = { 4: "203.0.113.11", 6: "2001:db8:113::11" };
const loopback: Party = { 4: "127.0.0.1", 6: "::1" };
const clients = [world, world, world, second, second, otherNode, remotePod, node, a, loopback];

const flags: readonly (readonly TcpFlag[])[] = [
  ["SYN"],
  ["SYN"],
  ["ACK"],
  ["ACK"],
  ["PSH", "ACK"],
  ["FIN", "ACK"],
  ["RST"],
  ["SYN", "ACK"],
];

/** A port of each client's own that the node can keep: which other one it would choose is left to chance. */
function portOf(client: number, random: Random): number {
  return 33_000 + client * 100 + random.below(4);
}

/** A conversation that a client began, as far as an answer must fit. */
type Asked = { readonly family: Family; readonly protocol: "tcp" | "udp"; readonly sport: number };

/** Frames as they reach one node, answers to what was asked before among them. */
export class RandomFrames {
  readonly #random: Random;
  readonly #routingMode: "tunnel" | "native";
  readonly #asked: Asked[] = [];

  constructor(random: Random, routingMode: "tunnel" | "native") {
    this.#random = random;
    this.#routingMode = routingMode;
  }

  next(): Sent {
    const isAnswer = this.#asked.length > 0 && this.#random.chance(0.4);
    return isAnswer ? this.#answer() : this.#request();
  }

  #request(): Sent {
    const random = this.#random;
    const family = random.pick([4, 6] as const);
    const protocol = random.pick(["tcp", "tcp", "udp"] as const);
    const client = random.below(clients.length);
    const [to, dport] = random.pick(asked);
    const sport = portOf(client, random);
    const packet = ip(random, family, [clients[client] as Party, to]);
    this.#asked.push({ family, protocol, sport });
    const bytes = disturbed(transport(random, packet, { protocol, sport, dport }), random, family);
    return { kind: "requests", bytes };
  }

  #answer(): Sent {
    const random = this.#random;
    const { family, protocol, sport: dport } = random.pick(this.#asked);
    const backend = random.pick([remotePod, remotePod, otherNode]);
    const way = { protocol, sport: 8080, dport };
    if (this.#routingMode === "native" || backend === otherNode) {
      const packet = ip(random, family, [backend, node], links.otherNode);
      const bytes = disturbed(transport(random, packet, way), random, family);
      return { kind: "answers", bytes };
    }
    return outOfTunnel(random, transport(random, ip(random, family, [backend, router]), way));
  }
}

function outOfTunnel(random: Random, inner: PacketBuilder): Sent {
  const bytes = inner.bytes();
  const vni = random.pick([identities.remotePod, identities.remotePod, 6, 0]);
  const from = random.pick([otherNode, otherNode, second]);
  return {
    kind: "answers",
    bytes: tunnelled(bytes, { vni, from }).bytes(),
    inner: { bytes, vni, outerSource: from[4] },
  };
}

function ip(
  random: Random,
  family: Family,
  [from, to]: readonly [Party, Party],
  src: string = links.gateway,
): PacketBuilder {
  const ttl = random.pick([64, 64, 64, 64, 2, 1]);
  const trafficClass = random.pick([0, 0, 0xb8, 1, 2, 3]);
  const link = ether({ src, dst: links.eth0 });
  const ends = { src: from[family], dst: to[family] };
  return family === 4
    ? link.ipv4({ ...ends, ttl, tos: trafficClass, dontFragment: random.chance(0.5) })
    : link.ipv6({ ...ends, hopLimit: ttl, trafficClass, flowLabel: random.below(1 << 20) });
}

type Way = { readonly protocol: "tcp" | "udp"; readonly sport: number; readonly dport: number };

function transport(random: Random, packet: PacketBuilder, { protocol, ...ports }: Way) {
  const payload = random.bytes(random.pick([0, 1, 2, 3, 40, 1000]));
  if (protocol === "udp") {
    const checksum = random.chance(0.2) ? { checksum: 0 } : {};
    return packet.udp({ ...ports, ...checksum, payload });
  }
  const options = random.bytes(random.pick([0, 0, 12]));
  return packet.tcp({ ...ports, flags: random.pick(flags), seq: 7, ack: 9, options, payload });
}

/** As it is, longer than it says, or with a bit that was lost. Whose and from which port it is stays. */
function disturbed(packet: PacketBuilder, random: Random, family: Family): Uint8Array {
  const bytes = packet.bytes();
  if (random.chance(0.1)) return Uint8Array.from([...bytes, ...random.bytes(random.below(10))]);
  if (random.chance(0.85)) return bytes;
  const at = random.below(Math.min(bytes.length, family === 4 ? 54 : 74));
  const [addressStart, addressEnd, port] = family === 4 ? [26, 30, 34] : [22, 38, 54];
  const isKept = at === 14 || (at >= addressStart && at < addressEnd) || at >> 1 === port >> 1;
  if (!isKept) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  return bytes;
}
