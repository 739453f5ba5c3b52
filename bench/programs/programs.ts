// Nanoseconds per packet in the shipped programs, without a network around them.
import { Mac } from "@tsilium/net";
import { Topology } from "@tsilium/testkit";
import { TestNode } from "../../bpf/tests/node.ts";
import { macs } from "../../bpf/tests/world.ts";
import type { Section } from "../report.ts";
import { median, shuffled } from "../statistics.ts";
import { sendAtHook, timeAtHook } from "./hooked.ts";
import { contextOf } from "./packet.ts";
import { interfaceOfB, rows, type Row } from "./rows.ts";

export type ProgramsOptions = { readonly rounds: number };

/** Fewer than the tables of the packet-table tests hold (4096), so that nothing is evicted. */
const newConnections = 3000;
const establishedRuns = 20_000;

/** Every row in every round, in random order; the medians. */
export function benchPrograms(options: ProgramsOptions): Section[] {
  using topology = new Topology();
  const netns = topology.netns("programs");
  netns.rtnl.links.add({
    name: "pod-b",
    index: interfaceOfB,
    kind: { type: "veth" },
    mac: Mac.parse(macs.gatewayOfB),
    up: true,
  });
  return [netns.run(() => measureAll(options))];
}

/** With this thread in a namespace that has pod b's interface. */
function measureAll({ rounds }: ProgramsOptions): Section {
  using node = new TestNode();
  const all = ([4, 6] as const).flatMap((family) => rows(family).map((row) => ({ family, row })));
  const measured = new Map(
    all.map(({ family, row }) => [`${family} ${row.sentence}`, [] as number[]]),
  );
  for (let round = 0; round < rounds; round++)
    for (const { family, row } of shuffled(all))
      measured.get(`${family} ${row.sentence}`)?.push(timeRow(node, family, row));
  const cell = (family: 4 | 6, { sentence }: Row) =>
    Math.round(median(measured.get(`${family} ${sentence}`) ?? []));
  return {
    title: "programs",
    note: `ns per packet by BPF_PROG_TEST_RUN, replaying subtracted; median of ${rounds} rounds.`,
    columns: ["", "IPv4", "IPv6"],
    rows: rows(4).map((row) => [row.sentence, cell(4, row), cell(6, row)]),
  };
}

function timeRow(node: TestNode, family: 4 | 6, row: Row): number {
  node.reset();
  for (const packet of row.before) sendAtHook(node, packet);
  const { measured, isNew = false } = row;
  const timing = {
    program: node.program(measured.hook),
    packet: { bytes: measured.packet.bytes(), family, varyPort: isNew, ctx: contextOf(measured) },
    repeat: isNew ? newConnections : establishedRuns,
  };
  return timeAtHook(measured, timing);
}
