// Moves what a pinned map of an older layout holds into its successor, so that an upgrade keeps connections.
//
//   old map <--- old programs          copy           old map          copy the rest, unpin      (gone)
//   new map (created, pinned)         ------>         new map <--- new programs        ------>   new map
//
// Between the two copies the programs switch. The second copy brings what the old ones wrote since the first; entries
// that the new programs have written already are newer and stay. Every step can be repeated after a crash.
import { isBpfError, isMapOfMaps, isPerCpu, joinPerCpu, readBtf, splitPerCpu } from "@tsilium/ebpf";
import type { BpfMap, PackedEntries } from "@tsilium/ebpf";
import { recordLayout } from "./btf-layout.ts";
import { copyInnerMaps } from "./inner-maps.ts";
import { applyCopy, isIdentity, planCopy } from "./layout.ts";
import type { CopyPlan, MapLayout, RecordLayout } from "./layout.ts";

/** What came of a copy. `lost`: entries that found no room, or could not be translated; those there already are neither. */
export type CopyResult = { readonly copied: number; readonly lost: number };

export type CopyTarget = {
  readonly to: BpfMap;
  readonly layout: MapLayout;
  /** Nobody writes to it yet: entries are copied many at a time, over what an earlier copy brought. */
  readonly isFresh: boolean;
};

/** How many entries are written per system call. */
const batchEntries = 4096;

/**
 * Copies every entry that the new map lacks. Ring buffers, maps whose key cannot be translated, and maps of maps of
 * another shape start empty. The old map's layout is read from the types the kernel kept for it.
 */
export function copyEntries(from: BpfMap, { to, layout, isFresh }: CopyTarget): CopyResult {
  if (from.type === "ringbuf" || from.type !== to.type) return { copied: 0, lost: 0 };
  if (isMapOfMaps(from.type)) return { copied: copyInnerMaps(from, to, layout.inner), lost: 0 };
  const old = layoutsOf(from);
  const key = planCopy(old.key, layout.key);
  const value = planCopy(old.value, layout.value);
  if (key === undefined || value === undefined) return { copied: 0, lost: countEntries(from) };
  const plans = { key, value };
  const inBulk = isFresh && !isPerCpu(to.type);
  return inBulk ? copyInBulk(from, to, plans) : copyOneByOne(from, to, plans);
}

/** Counts by walking: hash maps do not tell how full they are. */
export function countEntries(map: BpfMap): number {
  let entries = 0;
  for (const batch of map.packedEntries(batchEntries)) entries += batch.count;
  return entries;
}

type Plans = { readonly key: CopyPlan; readonly value: CopyPlan };

function copyInBulk(from: BpfMap, to: BpfMap, plans: Plans): CopyResult {
  let copied = 0;
  let seen = 0;
  for (const found of from.packedEntries(batchEntries)) {
    // A fresh array is all zero already.
    const batch = from.type === "array" ? withoutZeros(found, from) : found;
    const keys = translateMany(plans.key, batch.keys, { count: batch.count, size: from.keySize });
    const values = translateMany(plans.value, batch.values, {
      count: batch.count,
      size: from.valueSize,
    });
    copied += updateOrFill(to, { count: batch.count, keys, values });
    seen += batch.count;
  }
  return { copied, lost: seen - copied };
}

function withoutZeros({ count, keys, values }: PackedEntries, map: BpfMap): PackedEntries {
  const { keySize, valueSize } = map;
  let kept = 0;
  for (let index = 0; index < count; index++) {
    const value = values.subarray(index * valueSize, (index + 1) * valueSize);
    if (value.every((byte) => byte === 0)) continue;
    values.copyWithin(kept * valueSize, index * valueSize, (index + 1) * valueSize);
    keys.copyWithin(kept * keySize, index * keySize, (index + 1) * keySize);
    kept++;
  }
  return { count: kept, keys, values };
}

/** All of a batch or, when the map fills up on the way, what fits: the kernel stops at the first that does not. */
function updateOrFill(to: BpfMap, { count, keys, values }: PackedEntries): number {
  try {
    return to.batchUpdatePacked(
      keys.subarray(0, count * to.keySize),
      values.subarray(0, count * to.valueSize),
    );
  } catch (error) {
    if (!isBpfError(error, "E2BIG", "ENOSPC")) throw error;
  }
  let written = 0;
  for (let index = 0; index < count; index++) {
    const key = keys.subarray(index * to.keySize, (index + 1) * to.keySize);
    const value = values.subarray(index * to.valueSize, (index + 1) * to.valueSize);
    if (writeIfAbsent(to, key, value) !== "lost") written++;
  }
  return written;
}

function translateMany(
  plan: CopyPlan,
  packed: Uint8Array,
  { count, size }: { count: number; size: number },
): Uint8Array {
  if (isIdentity(plan, size)) return packed;
  const translated = new Uint8Array(count * plan.size);
  for (let index = 0; index < count; index++)
    translated.set(
      applyCopy(plan, packed.subarray(index * size, (index + 1) * size)),
      index * plan.size,
    );
  return translated;
}

function copyOneByOne(from: BpfMap, to: BpfMap, { key, value }: Plans): CopyResult {
  const count = { copied: 0, present: 0, lost: 0 };
  for (const [oldKey, oldValue] of from.entries()) {
    const stored = translateValue(from, to, { plan: value, stored: oldValue });
    count[writeIfAbsent(to, applyCopy(key, oldKey), stored)]++;
  }
  return { copied: count.copied, lost: count.lost };
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
