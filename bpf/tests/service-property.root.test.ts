// Random services, changes, clients and packets, through the shipped programs and beside a naive model: every packet goes to a
// backend that may get it, and its answer comes back to the client exactly as from whom it asked. A failure names its seed.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type PacketBuilder, parsePacket, type ParsedPacket, type TcpFlag } from "@tsilium/net";
import { type Random, repeat } from "@tsilium/testkit";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";
import { type Attempt, TestNode } from "./node.ts";
import { type Asked, placeName, ServiceModel } from "./service-model.ts";
import { anyNode, type FrontendSpec, type Place, type ServiceSpec } from "./service-spec.ts";
import { clusterIp, external, fromB, inner, segment, stacked, wire } from "./service-world.ts";
import {
  a,
  b,
  type Family,
  fromA,
  hop,
  identities,
  node as nodeAddress,
  otherNode,
  type Party,
  remotePod,
  world,
} from "./world.ts";

const services = { ...plainServices, nodePort: true };
const modes = {
  tunnel: new TestNode({ services }),
  native: new TestNode({ routingMode: "native", services }),
};
type Mode = keyof typeof modes;
after(() => {
  for (const node of Object.values(modes)) node[Symbol.dispose]();
});

const clients = { a, b, world, hop, otherNode };
type ClientName = keyof typeof clients;
const isPod = (client: ClientName): client is "a" | "b" => client === "a" || client === "b";

const backendParties = {
  a,
  b,
  remotePod,
  host: nodeAddress,
  otherHost: otherNode,
  outside: { 4: "198.51.100.77", 6: "2001:db8:51::77" },
};
const places: readonly Place[] = Object.values(backendParties).flatMap((at) =>
  [8080, 8081].map((port) => ({ at, port })),
);

/** Four services of a cluster IP, a load balancer's address and a node port each. */
const doors = [0, 1, 2, 3].map((number): readonly FrontendSpec[] => [
  { at: clusterIp(110 + number), port: 80, kind: "cluster-ip" },
  { at: external(110 + number), port: 80, kind: "external" },
  { at: nodeAddress, port: 30100 + number, kind: "node-port" },
  { at: anyNode, port: 30100 + number, kind: "node-port" },
]);

function some<T>(random: Random, from: readonly T[], most: number): T[] {
  return from
    .map((item) => ({ item, key: random.below(1 << 20) }))
    .sort((x, y) => x.key - y.key)
    .slice(0, random.below(most + 1))
    .map(({ item }) => item);
}

function randomService(random: Random, frontends: readonly FrontendSpec[]): ServiceSpec {
  const backends = some(random, places, 4);
  return {
    frontends,
    protocols: ["tcp", "udp"],
    backends,
    ...(random.chance(0.3) ? { external: some(random, backends, 4) } : {}),
    ...(random.chance(0.3) ? { affinityTimeoutS: 1000 } : {}),
    ...(random.chance(0.2) ? { silent: true } : {}),
    ...(random.chance(0.3) ? { maglev: true } : {}),
  };
}

/** The same services later: some as they were, some with others behind them, and those that left draining. */
function changed(random: Random, before: readonly ServiceSpec[]): ServiceSpec[] {
  return before.map((service) => {
    if (random.chance(0.5)) return service;
    const { frontends, backends: old, terminating = [], ...rest } = service;
    const backends = random.chance(0.5) ? some(random, places, 4) : some(random, old, old.length);
    const left = [...old, ...terminating].filter((place) => !backends.includes(place));
    const draining = some(random, left, left.length);
    const { external: _, ...options } = rest;
    const scoped = random.chance(0.3) ? { external: some(random, backends, 4) } : {};
    return { frontends, ...options, ...scoped, backends, terminating: draining };
  });
}

/** What one game is about: so little that its flows meet again and again. */
type Corner = {
  readonly family: Family;
  readonly protocol: "tcp" | "udp";
  readonly clients: readonly ClientName[];
  readonly doors: readonly (readonly FrontendSpec[])[];
};

function randomCorner(random: Random): Corner {
  const names = Object.keys(clients) as ClientName[];
  return {
    family: random.pick([4, 6]),
    protocol: random.pick(["tcp", "tcp", "udp"]),
    clients: [random.pick(names), random.pick(names)],
    doors: [random.pick(doors), random.pick(doors)],
  };
}

function randomPacket(random: Random, corner: Corner): Sent {
  const { family, protocol } = corner;
  const client = random.pick(corner.clients);
  const door = random.pick(corner.doors);
  const asks = door.filter(({ kind, at }) =>
    isPod(client) ? true : kind !== "cluster-ip" && at !== anyNode,
  );
  const frontend = random.pick(asks);
  const to = { ...frontend, at: frontend.at === anyNode ? otherNode : frontend.at };
  const flags = random.pick<readonly TcpFlag[]>([
    ["SYN"],
    ["SYN"],
    ["ACK"],
    ["ACK"],
    ["FIN", "ACK"],
    ["RST"],
  ]);
  const isTcp = protocol === "tcp";
  return {
    client,
    flags,
    asked: {
      family,
      protocol,
      client: clients[client][family],
      clientPort: 40_000 + random.below(3),
      to,
      frontend,
      isInternal: isPod(client) || client === "otherNode",
      opens: isTcp && flags.includes("SYN"),
      closes: isTcp && (flags.includes("FIN") || flags.includes("RST")),
    },
  };
}

type Sent = {
  readonly client: ClientName;
  readonly flags: readonly TcpFlag[];
  readonly asked: Asked;
};

/** Where packets between these enter the node. */
function entering(
  mode: Mode,
  family: Family,
  parties: readonly [Party, Party],
): Pick<Attempt, "hook" | "pod" | "tunnel"> & { readonly frame: PacketBuilder } {
  const [from, to] = parties;
  if (from === a) return { hook: "from_container", frame: fromA(family, to) };
  if (from === b) return { hook: "from_container", pod: "b", frame: fromB(family, b, to) };
  if (from === remotePod && mode === "tunnel") {
    const tunnel = { outerSource: otherNode[4], vni: identities.remotePod };
    return { hook: "from_overlay", tunnel, frame: inner(family, parties) };
  }
  if (from === nodeAddress) {
    // Its stack sends it to pods over tsi_host, to everybody else over the wire.
    const toPod = [a, b].some((pod) => pod[family] === to[family]);
    return { hook: toPod ? "from_host" : "to_netdev", frame: stacked(family, parties) };
  }
  return { hook: "from_netdev", frame: wire(family, parties) };
}

function sendOn(mode: Mode, { client, flags, asked }: Sent) {
  const { frame, ...way } = entering(mode, asked.family, [clients[client], asked.to.at]);
  const packet = segment(frame, asked.protocol, {
    sport: asked.clientPort,
    dport: asked.to.port,
    flags,
    payload: "a question",
  });
  return modes[mode].try({ ...way, packet: packet.bytes() });
}

type Ends = {
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
};

function endsOf({ ip, tcp, udp }: ParsedPacket): Ends {
  const l4 = tcp ?? udp;
  return {
    from: `${ip?.source}`,
    fromPort: l4?.sourcePort ?? 0,
    to: `${ip?.destination}`,
    toPort: l4?.destinationPort ?? 0,
  };
}

/** Through masquerading, where the backend is outside and the client a pod. */
function leave(mode: Mode, family: Family, bytes: Uint8Array): Uint8Array {
  const { verdict, bytes: left } = modes[mode].try({ hook: "to_netdev", packet: bytes });
  assert.match(verdict, /^(pass|untouched)$/, `leaving, IPv${family}`);
  return left;
}

/** The backend answers what it got; what becomes of that. */
function answer(mode: Mode, { flags, asked }: Sent, [backend, got]: readonly [Party, Ends]) {
  const { family, protocol } = asked;
  const to = { 4: got.from, 6: got.from };
  const { frame, ...way } = entering(mode, family, [backend, to]);
  const packet = segment(frame, protocol, {
    sport: got.toPort,
    dport: got.fromPort,
    flags: flags.includes("SYN") ? ["SYN", "ACK"] : "ACK",
    payload: "an answer",
  });
  return modes[mode].try({ ...way, packet: packet.bytes() });
}

/** Where the packet went, which must be to one of these. */
function placeOf({ to, toPort }: Ends, family: Family, acceptable: readonly string[]): Place {
  const place = places.find(({ at, port }) => at[family] === to && port === toPort);
  assert.ok(
    place && acceptable.includes(placeName(family, place)),
    `${to} port ${toPort} is none of ${acceptable.join(", ")}`,
  );
  return place;
}

function check(mode: Mode, model: ServiceModel, sent: Sent): void {
  const { asked, client } = sent;
  const { family } = asked;
  const acceptable = model.acceptable(asked);
  const outcome = sendOn(mode, sent);
  if (acceptable.length === 0) {
    assert.match(outcome.verdict, /^(refuse|drop) 158$/);
    return;
  }
  assert.match(outcome.verdict, /^(redirect|pass)$/, `sent: ${outcome.verdict}`);
  assert.doesNotMatch(outcome.packet, /BAD CHECKSUM/);
  const place = placeOf(endsOf(parsePacket(outcome.bytes)), family, acceptable);
  model.sent(asked, placeName(family, place));
  const isOutside = ![a, b, remotePod, nodeAddress].includes(place.at);
  const arrived = isOutside && isPod(client) ? leave(mode, family, outcome.bytes) : outcome.bytes;
  const reply = answer(mode, sent, [place.at, endsOf(parsePacket(arrived))]);
  assert.match(reply.verdict, /^(redirect|untouched)$/, `answered: ${reply.verdict}`);
  assert.doesNotMatch(reply.packet, /BAD CHECKSUM/);
  assert.deepEqual(endsOf(parsePacket(reply.bytes)), {
    from: asked.to.at[family],
    fromPort: asked.to.port,
    to: asked.client,
    toPort: asked.clientPort,
  });
}

function play(mode: Mode, random: Random): void {
  const node = modes[mode];
  const model = new ServiceModel();
  const log: string[] = [];
  const serve = (services: readonly ServiceSpec[]) => {
    node.services.set(services);
    model.set(services);
    log.push("services changed");
  };
  node.services.set([]);
  node.reset();
  const corner = randomCorner(random);
  let present = doors.map((frontends) => randomService(random, frontends));
  serve(present);
  for (let step = 0; step < 80; step++) {
    if (random.chance(0.1)) serve((present = changed(random, present)));
    const sent = randomPacket(random, corner);
    const { asked, client, flags } = sent;
    const to = placeName(asked.family, asked.to);
    log.push(`${client}:${asked.clientPort} -> ${to} ${asked.protocol} ${flags.join()}`);
    try {
      check(mode, model, sent);
    } catch (cause) {
      throw new Error(`${log.slice(-12).join("\n")}\n${String(cause)}`, { cause });
    }
  }
}

for (const mode of Object.keys(modes) as Mode[])
  test(`${mode}: every packet goes to a backend that may get it, and every answer comes from whom was asked`, () => {
    repeat({ runs: 20 }, (random) => play(mode, random));
  });
