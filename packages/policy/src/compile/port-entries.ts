// The entries of one kind of peer: each block of ports that some matching rule names, decided by all rules that cover
// the whole of it. Sorted, a block follows those that contain it, so one pass with a stack sees them all.
//
//   rule A 80/16          any protocol: B         B = every port and protocol
//   rule B *                TCP 80/16: A or B     whichever has precedence
import type { NamedPort } from "../model.ts";
import type { Decision, Weights } from "./decider.ts";
import { nothing } from "./decider.ts";
import type { PlannedRule, SlotPlan } from "./plan.ts";
import { type PortCut, portBits, portCut, readCut, sizeOf } from "./port-cuts.ts";

export type PortEntry = {
  /** 0: any. */
  readonly protocol: number;
  readonly port: number;
  readonly portLength: number;
  readonly decision: Decision;
};

export type PeerKind = {
  readonly parties: Iterable<number>;
  /** Ports of the peer for the names that rules use. */
  readonly namedPorts: readonly NamedPort[];
};

/** Where the walk is: inside this block of ports, where this is decided. */
type Block = {
  readonly protocol: number;
  readonly last: number;
  readonly weights: Weights;
  readonly decision: Decision;
};

/** Ranks take up to 21 bits of an item, and cuts 29. */
const rankBase = 2 ** 21;

/** What is decided otherwise than by the block around it, or by the slot when there is none. */
export function portEntries(plan: SlotPlan, peer: PeerKind): PortEntry[] {
  const { decider, header } = plan;
  const { everywhere, items } = matchingRules(plan, peer);
  const outside: Block = {
    protocol: 0,
    last: 0,
    weights: everywhere,
    decision: decider.decide(everywhere),
  };
  const entries: PortEntry[] = [];
  if (outside.decision !== header.otherwise)
    entries.push({ protocol: 0, port: 0, portLength: 0, decision: outside.decision });
  const around: Block[] = [];
  for (let index = 0; index < items.length;) {
    const cut = Math.floor((items[index] as number) / rankBase);
    const { protocol, port, length } = readCut(cut);
    while (around.length > 0 && !contains(around.at(-1) as Block, protocol, port)) around.pop();
    const parent = around.at(-1) ?? outside;
    const weights = [...parent.weights];
    for (; Math.floor((items[index] as number) / rankBase) === cut; index++)
      decider.weigh(weights, (items[index] as number) % rankBase, cut);
    const decision = decider.decide(weights);
    if (decision !== parent.decision)
      entries.push({ protocol, port, portLength: length, decision });
    around.push({ protocol, last: port + sizeOf(length) - 1, weights, decision });
  }
  return entries;
}

/** Rules without ports weighed together; of others, (block, rank) as numbers, sorted. */
function matchingRules(
  { rules, grouping, decider }: SlotPlan,
  { parties, namedPorts }: PeerKind,
): { readonly everywhere: Weights; readonly items: Float64Array } {
  const everywhere = [...nothing];
  const items: number[] = [];
  const add = (ranks: readonly number[]) => {
    for (const rank of ranks) {
      const rule = rules[rank] as PlannedRule;
      if (!rule.cuts) decider.weigh(everywhere, rank, 0);
      for (const cut of rule.cuts ?? []) items.push(cut * rankBase + rank);
      for (const cut of namedCuts(rule, namedPorts)) items.push(cut * rankBase + rank);
    }
  };
  add(grouping.everybody);
  for (const party of parties) add(grouping.parties[party]?.ranks ?? []);
  return { everywhere, items: Float64Array.from(items).sort() };
}

/** The ports of a peer that the rule's names stand for. */
export function namedCuts({ named }: PlannedRule, ports: readonly NamedPort[]): PortCut[] {
  return named.flatMap(({ protocol, name }) =>
    ports
      .filter((port) => port.name === name && port.protocol === protocol)
      .map(({ port }) => portCut(protocol, port, portBits)),
  );
}

function contains(block: Block, protocol: number, port: number): boolean {
  return block.protocol === protocol && port <= block.last;
}
