// Nanoseconds that a packet between two local pods spends in the shipped program, under none to 10,000 rules in each
// direction; every amount in every round, each compared with no policy in the same round.
import { Mac } from "@tsilium/net";
import { Topology } from "@tsilium/testkit";
import { macs, type Family } from "../../../bpf/tests/world.ts";
import { contextOf, send } from "../../programs/packet.ts";
import { timePerRun } from "../../programs/replay.ts";
import { interfaceOfB } from "../../programs/rows.ts";
import { times, type Section } from "../../report.ts";
import { median, shuffled } from "../../statistics.ts";
import { type Amount, amounts } from "./amounts.ts";
import { type Case, cases } from "./cases.ts";
import { Pair } from "./pair.ts";

export type PacketsOptions = { readonly rounds: number };

const families = [4, 6] as const;
/** Fewer than the tables for connections (4096) and the ring of events have room for. */
const newConnections = 3000;
const establishedRuns = 20_000;

export function benchPackets(options: PacketsOptions): Section[] {
  using topology = new Topology();
  const netns = topology.netns("policy");
  netns.rtnl.links.add({
    name: "pod-b",
    index: interfaceOfB,
    kind: { type: "veth" },
    mac: Mac.parse(macs.gatewayOfB),
    up: true,
  });
  return netns.run(() => {
    using pair = new Pair();
    return cases(4).map((_, index) => measure(pair, index, options));
  });
}

type Point = { readonly family: Family; readonly amount: Amount };

/** The case of this number, for every amount and both families. */
function measure(pair: Pair, index: number, { rounds }: PacketsOptions): Section {
  const caseOf = (family: Family) => cases(family)[index] as Case;
  const { title, outcome } = caseOf(4);
  // Without policy nothing is denied: one rule is the floor then.
  const rows = amounts.filter(({ rules }) => rules > 0 || outcome === "forwarded");
  const points = families.flatMap((family) => rows.map((amount) => ({ family, amount })));
  const measured = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++)
    for (const point of shuffled(points)) {
      const taken = measured.get(keyOf(point)) ?? [];
      measured.set(keyOf(point), [...taken, time(pair, caseOf(point.family), point)]);
    }
  const cells = (point: Point) => {
    const taken = measured.get(keyOf(point)) ?? [];
    const floor = measured.get(keyOf({ ...point, amount: rows[0] as Amount })) ?? [];
    const ratio = median(taken.map((ns, round) => ns / (floor[round] as number)));
    return [Math.round(median(taken)), times(ratio)];
  };
  return {
    title,
    note: `ns per packet by BPF_PROG_TEST_RUN, replaying subtracted; median of ${rounds} rounds, and the median ratio to "${rows[0]?.sentence}" of the same round. 6,000 identities.`,
    columns: ["rules in each direction", "IPv4 ns", "", "IPv6 ns", ""],
    rows: rows.map((amount) => [
      amount.sentence,
      ...families.flatMap((family) => cells({ family, amount })),
    ]),
  };
}

function keyOf({ family, amount }: Point): string {
  return `${family} ${amount.sentence}`;
}

function time(pair: Pair, { before, measured, isNew, outcome }: Case, point: Point): number {
  pair.reset(point.amount);
  const program = pair.program({ tellsDrops: outcome === "dropped and told" });
  for (const packet of before) send(program, packet);
  return timePerRun({
    program,
    packet: {
      bytes: measured.packet.bytes(),
      family: point.family,
      varyPort: isNew,
      ctx: contextOf(measured),
    },
    repeat: isNew ? newConnections : establishedRuns,
    isDropped: outcome !== "forwarded",
  });
}
