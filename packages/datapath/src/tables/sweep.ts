// Walks a big map in slices, so that the agent goes on serving while hundreds of thousands of entries are looked at.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { BpfMap } from "@tsilium/ebpf";

/** What a sweep found. */
export type SweepResult = { readonly deleted: number; readonly alive: number };

/** Entries looked at before the event loop gets its turn: about a millisecond's work. */
export const sliceEntries = 2048;

/**
 * Deletes what `isOver` says is over. Entries that programs add or refresh meanwhile may be missed, which the next
 * sweep makes good; one refreshed between the look and the deletion is lost, and its next packet starts anew.
 * @throws AbortError when the signal fires between slices.
 */
export async function sweepMap(
  map: BpfMap,
  isOver: (key: Uint8Array, value: Uint8Array) => boolean,
  signal?: AbortSignal,
): Promise<SweepResult> {
  let deleted = 0;
  let seen = 0;
  for (const slice of map.batchLookup(sliceEntries)) {
    const over = slice.filter(([key, value]) => isOver(key, value)).map(([key]) => key);
    deleted += over.length === 0 ? 0 : map.batchDelete(over);
    seen += slice.length;
    signal?.throwIfAborted();
    await nextTurn();
  }
  return { deleted, alive: seen - deleted };
}

export function addResults(a: SweepResult, b: SweepResult): SweepResult {
  return { deleted: a.deleted + b.deleted, alive: a.alive + b.alive };
}
