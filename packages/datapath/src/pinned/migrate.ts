// Moves what a pinned map of an older layout holds into its successor, so that an upgrade keeps connections.
//
//   old map <--- old programs          copy           old map          copy the rest, unpin      (gone)
//   new map (created, pinned)         ------>         new map <--- new programs        ------>   new map
//
// Between the two copies the programs switch. The second copy brings what the old ones wrote since the first; entries
// that the new programs have written already are newer and stay. Every step can be repeated after a crash.
import { isBpfError, isPerCpu, joinPerCpu, readBtf, splitPerCpu } from "@tsilium/ebpf";
import type { BpfMap } from "@tsilium/ebpf";
import { recordLayout } from "./btf-layout.ts";
import { applyCopy, planCopy } from "./layout.ts";
import type { CopyPlan, MapLayout, RecordLayout } from "./layout.ts";

/** What came of a copy. `lost`: entries that found no room, or could not be translated; those there already are neither. */
export type CopyResult = { readonly copied: number; readonly lost: number };

/** How many entries are written per system call. */
const batchEntries = 1024;

/**
 * Copies every entry that the new map lacks. Ring buffers and maps whose key cannot be translated start empty.
 * @param layout that of the new map; the old one's is read from the types the kernel kept for it.
 */
export function copyEntries(from: BpfMap, to: BpfMap, layout: MapLayout): CopyResult {
  if (from.type === "ringbuf" || from.type !== to.type) return { copied: 0, lost: 0 };
  const old = layoutsOf(from);
  const key = planCopy(old.key, layout.key);
  const value = planCopy(old.value, layout.value);
  if (key === undefined || value === undefined) return { copied: 0, lost: countEntries(from) };
  const count = { copied: 0, present: 0, lost: 0 };
  for (const [oldKey, oldValue] of from.entries()) {
    const stored = translateValue(from, to, { plan: value, stored: oldValue });
    count[writeIfAbsent(to, applyCopy(key, oldKey), stored)]++;
  }
  return { copied: count.copied, lost: count.lost };
}

/** Counts by walking: hash maps do not tell how full they are. */
export function countEntries(map: BpfMap): number {
  let entries = 0;
  for (const batch of map.batchLookup(batchEntries)) entries += batch.length;
  return entries;
}

/** An array's slots are all there from the start, so its copy overwrites; hashes keep what is newer. */
function writeIfAbsent(
  map: BpfMap,
  key: Uint8Array,
  value: Uint8Array,
): "copied" | "present" | "lost" {
  try {
    return map.update(key, value, map.type.endsWith("array") ? "any" : "create")
      ? "copied"
      : "present";
  } catch (error) {
    if (isBpfError(error, "E2BIG", "ENOSPC")) return "lost";
    throw error;
  }
}

function translateValue(
  from: BpfMap,
  to: BpfMap,
  { plan, stored }: { plan: CopyPlan; stored: Uint8Array },
): Uint8Array {
  if (!isPerCpu(from.type)) return applyCopy(plan, stored);
  const values = splitPerCpu(stored, from.valueSize).map((value) => applyCopy(plan, value));
  return joinPerCpu(values, to.valueSize);
}

/** The layouts that a map was created with, as far as its types are known. */
function layoutsOf(map: BpfMap): { key: RecordLayout; value: RecordLayout } {
  const { btfId, keyTypeId, valueTypeId, keySize, valueSize } = map.info();
  if (btfId === 0)
    return { key: { size: keySize, leaves: [] }, value: { size: valueSize, leaves: [] } };
  const btf = readBtf(btfId);
  return {
    key: recordLayout(btf, keyTypeId, keySize),
    value: recordLayout(btf, valueTypeId, valueSize),
  };
}
