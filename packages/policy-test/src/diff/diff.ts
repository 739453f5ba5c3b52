// Which connections have another verdict after a change of policy.
import { type Block, blocksOf } from "./blocks.ts";
import { type Engines, type Position, positionsOf } from "./positions.ts";
import { changedSpans, type SpanChange } from "./spans.ts";

/** Connections from each of `from` to each of `to` change alike. */
export type Change = {
  readonly from: readonly Position[];
  readonly to: readonly Position[];
  readonly spans: readonly SpanChange[];
};

/**
 * Compares two engines that were made of the same input before one was changed.
 * @param subjectOf the subject of an identity's pods
 */
export function diffEngines(
  engines: Engines,
  subjectOf: (identity: number) => number | undefined,
): Change[] {
  const blocks = blocksOf(engines, positionsOf(engines, subjectOf));
  const changed = {
    egress: new Set(blocks.filter((block) => isChanged(block, "egress"))),
    ingress: new Set(blocks.filter((block) => isChanged(block, "ingress"))),
  };
  const changes: Change[] = [];
  for (const from of blocks) {
    const candidates = changed.egress.has(from) ? blocks : changed.ingress;
    for (const to of candidates) {
      if (!shareFamily(from, to)) continue;
      const spans = changedSpans(from, to);
      if (spans.length > 0) changes.push({ from: from.members, to: to.members, spans });
    }
  }
  return changes;
}

/** Equal numbers mean equal slots (Engine.change). */
function isChanged({ slots }: Block, direction: "ingress" | "egress"): boolean {
  const { before, after } = slots[direction];
  return before?.slot.slot !== after?.slot.slot;
}

function shareFamily(from: Block, to: Block): boolean {
  const families = to.members[0]?.families;
  return [...(from.members[0]?.families ?? [])].some((family) => families?.has(family));
}
