// Nanoseconds that frames spend in XDP: clients of a service whose backend is on another node, and its answers, which are
// sent on by the device that they came by.
import { parsePacket } from "@tsilium/net";
import {
  type Family,
  frame,
  node as nodeAddress,
  remotePod,
  router,
  world,
} from "../../../bpf/tests/world.ts";
import { XdpNode } from "../../../bpf/tests/xdp-node.ts";
import { timePerFrame } from "../../../bpf/tests/xdp-replay.ts";
import {
  fromClient,
  fromOtherNode,
  lb,
  populate,
  tunnelled,
} from "../../../bpf/tests/xdp-world.ts";
import type { Section } from "../../report.ts";
import { median, shuffled } from "../../statistics.ts";

const routings = ["native", "tunnel"] as const;
const kinds = ["new", "established", "reply"] as const;
const families = [4, 6] as const;
type Routing = (typeof routings)[number];
type Kind = (typeof kinds)[number];

const aims: Readonly<Record<Kind, string>> = { new: "1,200", established: "350", reply: "350" };
const client = { sport: 50_000, dport: 80 };
const backendPort = 8080;
/** Bytes of Ethernet, IP and TCP headers, and of those that VXLAN puts in front. */
const headers: Readonly<Record<Family, number>> = { 4: 14 + 20 + 20, 6: 14 + 40 + 20 };
const sourcePortAt: Readonly<Record<Family, number>> = { 4: 14 + 20, 6: 14 + 40 };
const outerHeaders = 14 + 20 + 8 + 8;
/** Fewer than the tables of flows of a test's node hold (4096). */
const newConnections = 3000;
const establishedRuns = 20_000;

export function benchXdp({ rounds }: { readonly rounds: number }): Section {
  using nodes = new Nodes();
  const points = routings.flatMap((routing) =>
    kinds.flatMap((kind) =>
      families.map((family) => ({ routing, kind, family, taken: [] as number[] })),
    ),
  );
  for (let round = 0; round < rounds; round++)
    for (const point of shuffled(points)) point.taken.push(time(nodes.of(point.routing), point));
  const cells = (routing: Routing, kind: Kind) =>
    points
      .filter((point) => point.routing === routing && point.kind === kind)
      .map(({ taken }) => Math.round(median(taken)));
  const sentences: Readonly<Record<Routing, string>> = {
    native: "world to service, backend elsewhere, SNAT",
    tunnel: "world to service, backend elsewhere, SNAT and tunnel",
  };
  return {
    title: "packets of services at XDP",
    note: `ns per frame by BPF_PROG_TEST_RUN, replaying subtracted; median of ${rounds} rounds. XDP writes the tunnel's headers itself.`,
    columns: ["", "IPv4", "IPv6", "aim: under"],
    rows: routings.flatMap((routing) =>
      kinds.map((kind) => [`${sentences[routing]}: ${kind}`, ...cells(routing, kind), aims[kind]]),
    ),
  };
}

/** One node of each routing mode. */
class Nodes implements Disposable {
  readonly #nodes: Readonly<Record<Routing, XdpNode>> = {
    native: new XdpNode({ routingMode: "native" }),
    tunnel: new XdpNode(),
  };

  constructor() {
    for (const node of Object.values(this.#nodes)) populate(node);
  }

  of(routing: Routing): XdpNode {
    return this.#nodes[routing];
  }

  [Symbol.dispose](): void {
    for (const node of Object.values(this.#nodes)) node[Symbol.dispose]();
  }
}

type Point = { readonly routing: Routing; readonly kind: Kind; readonly family: Family };

function time(node: XdpNode, { routing, kind, family }: Point): number {
  node.tc.reset();
  const isNew = kind === "new";
  const packet = isNew ? ask(family, "SYN") : opened(node, { routing, kind, family });
  const isTunnelled = kind === "reply" && routing === "tunnel";
  return timePerFrame(node.program, {
    frame: packet,
    headers: headers[family] + (isTunnelled ? outerHeaders : 0),
    repeat: isNew ? newConnections : establishedRuns,
    ...(isNew ? { portOffset: sourcePortAt[family] } : {}),
  });
}

/** Opens a connection; answers the frame to measure. */
function opened(node: XdpNode, { routing, kind, family }: Point): Uint8Array {
  const port = sourcePort(forward(node, ask(family, "SYN")));
  forward(node, answer(routing, family, { port, flags: ["SYN", "ACK"] }));
  forward(node, ask(family, "ACK"));
  return kind === "reply" ? answer(routing, family, { port, flags: "ACK" }) : ask(family, "ACK");
}

function ask(family: Family, flags: "SYN" | "ACK"): Uint8Array {
  return fromClient(family, [world, lb.pod])
    .tcp({ ...client, flags })
    .bytes();
}

type Answer = { readonly port: number; readonly flags: "ACK" | readonly ["SYN", "ACK"] };

/** Of the backend to the node, which has taken the client's place. */
function answer(routing: Routing, family: Family, { port, flags }: Answer): Uint8Array {
  const tcp = { sport: backendPort, dport: port, flags };
  if (routing === "native") return fromOtherNode(family, [remotePod, nodeAddress]).tcp(tcp).bytes();
  return tunnelled(frame(family, [remotePod, router]).tcp(tcp)).bytes();
}

/** @throws Error when it is not sent on by XDP */
function forward(node: XdpNode, packet: Uint8Array): Uint8Array {
  const { verdict, packet: sent } = node.try(packet);
  if (verdict !== "tx") throw new Error(`XDP does not send the frame on: ${verdict}`);
  return sent;
}

function sourcePort(packet: Uint8Array): number {
  const parsed = parsePacket(packet);
  const { tcp } = parsed.vxlan?.inner ?? parsed;
  if (tcp === undefined) throw new Error("what was forwarded is not TCP");
  return tcp.sourcePort;
}
