// Pools that overlap: the older one stands, the younger one gives nothing until they do not overlap any more. Pure.
import { byAge } from "./age.ts";
import type { Pool } from "./model.ts";
import { overlap, rangeText } from "./range.ts";

/** Why pools give nothing, by name, in Cilium's words; pools that stand are not in it. */
export function conflictsOf(pools: readonly Pool[]): Map<string, string> {
  const conflicts = new Map<string, string>();
  const standing: Pool[] = [];
  for (const pool of pools.toSorted(byAge)) {
    const conflict = withinItself(pool) ?? withOthers(pool, standing);
    if (conflict) conflicts.set(pool.name, conflict);
    else standing.push(pool);
  }
  return conflicts;
}

function withinItself(pool: Pool): string | undefined {
  return firstOverlap(pool, pool, (a, b) => a < b);
}

function withOthers(pool: Pool, others: readonly Pool[]): string | undefined {
  for (const other of others) {
    const conflict = firstOverlap(pool, other, () => true);
    if (conflict) return conflict;
  }
  return undefined;
}

function firstOverlap(
  pool: Pool,
  other: Pool,
  counts: (ofPool: number, ofOther: number) => boolean,
): string | undefined {
  for (const [at, mine] of pool.ranges.entries())
    for (const [where, theirs] of other.ranges.entries())
      if (counts(at, where) && overlap(mine, theirs))
        return `Pool conflicts since range '${rangeText(mine)}' overlaps range '${rangeText(theirs)}' from IP Pool '${other.name}'`;
  return undefined;
}
