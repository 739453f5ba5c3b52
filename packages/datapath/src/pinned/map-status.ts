// How full a map is, as far as that matters: one that evicts is never in trouble, one that refuses may soon be.
import type { BpfMap } from "@tsilium/ebpf";
import { countEntries } from "./migrate.ts";
import type { PartStatus } from "../model.ts";
import { pressure, pressureAlarm } from "./sizing.ts";

/** Kinds that refuse new entries when full, and therefore have a pressure. */
const refusing: ReadonlySet<string> = new Set(["hash", "lpm_trie"]);

/**
 * Status of one map. Walks maps that can refuse entries, unless their count is known; the big tables evict and are only
 * named with their size.
 */
export function mapStatus(declaredName: string, map: BpfMap, known?: number): PartStatus {
  // The kernel keeps 15 characters of it.
  const name = `map ${declaredName}`;
  if (known === undefined && !refusing.has(map.type))
    return { name, ok: true, message: `${map.type} of ${map.maxEntries}` };
  const entries = known ?? countEntries(map);
  const used = pressure(entries, map.maxEntries);
  const message = `${entries} of ${map.maxEntries} entries (${(used * 100).toFixed(1)} %)`;
  return { name, ok: used < pressureAlarm, message };
}
