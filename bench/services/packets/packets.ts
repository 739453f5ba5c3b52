// Nanoseconds that packets to services, and their answers, spend in the shipped programs; with one service in the tables
// and with many, beside the same between pods without a service.
import { TestNode } from "../../../bpf/tests/node.ts";
import { runNetns } from "../../../bpf/tests/run-netns.ts";
import { type Family, node as nodeAddress, standard } from "../../../bpf/tests/world.ts";
import { ServiceMaps } from "../../../packages/datapath/src/services/service-maps.ts";
import { flowTables, serviceTables } from "../../../packages/datapath/src/services/tables.ts";
import { sendAtHook, timeAtHook } from "../../programs/hooked.ts";
import { contextOf } from "../../programs/packet.ts";
import type { Packet } from "../../programs/rows.ts";
import type { Section } from "../../report.ts";
import { median, shuffled } from "../../statistics.ts";
import { putServices } from "../changes.ts";
import { serviceOf } from "../workload.ts";
import { benchXdp } from "./xdp.ts";
import { type Conversation, conversations, measuredServices, type Step } from "./conversations.ts";

export type ServicePacketsOptions = {
  readonly rounds: number;
  /** In the tables besides the measured ones. */
  readonly services: readonly number[];
};

type Kind = "new" | "established" | "reply";

const kinds: readonly Kind[] = ["new", "established", "reply"];
const aims: Readonly<Record<Kind, string>> = { new: "1,200", established: "350", reply: "350" };
const families = [4, 6] as const;
/** Fewer than the tables of flows of a test's node hold (4096). */
const newConnections = 3000;
const establishedRuns = 20_000;

export function benchServicePackets(options: ServicePacketsOptions): Section[] {
  return [runNetns().run(() => measureAll(options)), benchXdp(options)];
}

/** One cell of the table. */
type Point = {
  readonly family: Family;
  readonly conversation: number;
  readonly kind: Kind;
  readonly services: number;
  readonly taken: number[];
};

/** With this thread in the namespace of the packet tables' runs. */
function measureAll({ rounds, services }: ServicePacketsOptions): Section {
  const sentences = conversations(4).map(({ sentence }) => sentence);
  const points: Point[] = [];
  for (const count of services) {
    using node = nodeWith(count);
    const own = families.flatMap((family) =>
      sentences.flatMap((_, conversation) =>
        kinds.map((kind) => ({
          family,
          conversation,
          kind,
          services: count,
          taken: [] as number[],
        })),
      ),
    );
    for (let round = 0; round < rounds; round++)
      for (const point of shuffled(own)) point.taken.push(time(node, point));
    points.push(...own);
  }
  const cell = (wanted: Omit<Point, "taken">) => {
    const keys = Object.keys(wanted) as (keyof typeof wanted)[];
    const found = points.find((point) => keys.every((key) => point[key] === wanted[key]));
    return Math.round(median(found?.taken ?? []));
  };
  const columns = families.flatMap((family) =>
    services.map((count) => ({ family, services: count })),
  );
  return {
    title: "packets of services",
    note: `ns per packet by BPF_PROG_TEST_RUN, by number of services, replaying subtracted; median of ${rounds} rounds.`,
    columns: [
      "",
      ...columns.map((at) => `IPv${at.family} ${at.services.toLocaleString("en")}`),
      "aim: under",
    ],
    rows: sentences.flatMap((sentence, conversation) =>
      kinds.map((kind) => [
        `${sentence}: ${kind}`,
        ...columns.map((at) => cell({ ...at, conversation, kind })),
        conversation === 0 ? "" : aims[kind],
      ]),
    ),
  };
}

/** A node that balances at its device, with so many services of IPv4 and the measured ones of both families. */
function nodeWith(count: number): TestNode {
  const node = new TestNode({ services: { ...standard.services, nodePort: true } });
  const source = { get: (name: string) => node.map(name) };
  const maps = new ServiceMaps(serviceTables(source), flowTables(source));
  const many = Array.from({ length: count }, (_, number) => serviceOf(number));
  maps.apply(putServices(many, { first: 4, nodeAddress: nodeAddress[4] }));
  for (const [index, family] of families.entries())
    maps.apply(
      putServices(measuredServices(family), { first: index * 2, nodeAddress: nodeAddress[family] }),
    );
  return node;
}

function time(node: TestNode, { family, conversation, kind }: Point): number {
  const measured = opened(node, conversations(family)[conversation] as Conversation, kind);
  const isNew = kind === "new";
  return timeAtHook(measured, {
    program: node.program(measured.hook),
    packet: { bytes: measured.packet.bytes(), family, varyPort: isNew, ctx: contextOf(measured) },
    repeat: isNew ? newConnections : establishedRuns,
  });
}

/** Sends what comes before; answers the packet to measure. */
function opened(node: TestNode, { syn, synAck, data, reply }: Conversation, kind: Kind): Packet {
  node.reset();
  if (kind === "new") return syn;
  sendAtHook(node, packetOf(synAck, sendAtHook(node, syn)));
  const sent = sendAtHook(node, data);
  return kind === "reply" ? packetOf(reply, sent) : data;
}

function packetOf(step: Step, before: Uint8Array): Packet {
  return typeof step === "function" ? step(before) : step;
}
