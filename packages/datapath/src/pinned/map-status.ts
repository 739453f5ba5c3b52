// How full a map is, as far as that matters: one that evicts is never in trouble, one that refuses may soon be.
import type { BpfMap } from "@tsilium/ebpf";
import type { PartStatus } from "../model.ts";
import type { EntryCounts } from "./entry-counts.ts";
import { pressure, pressureAlarm } from "./sizing.ts";

/** Kinds that refuse new entries when full, and therefore have a pressure. */
const refusing: ReadonlySet<string> = new Set(["hash", "lpm_trie"]);

type KnownCounts = {
  /** For maps whose entries have to be counted. */
  readonly counts: EntryCounts;
  /** The count, where somebody keeps it. */
  readonly known: number | undefined;
};

/**
 * Status of one map. Of maps that can refuse entries with how many there are; the big tables evict and are only named with
 * their size.
 */
export function mapStatus(
  declaredName: string,
  map: BpfMap,
  { counts, known }: KnownCounts,
): PartStatus {
  // The kernel keeps 15 characters of it.
  const name = `map ${declaredName}`;
  if (known === undefined && !refusing.has(map.type))
    return { name, ok: true, message: `${map.type} of ${map.maxEntries}` };
  const entries = known ?? counts.of(map);
  const used = pressure(entries, map.maxEntries);
  const message = `${entries} of ${map.maxEntries} entries (${(used * 100).toFixed(1)} %)`;
  return { name, ok: used < pressureAlarm, message };
}
