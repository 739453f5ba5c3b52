// Tables of services may have been given room while the agent ran. Starting again with the configured size must not
// throw away what does not fit there.
import { BpfMap } from "@tsilium/ebpf";
import type { DeclaredMap } from "./map-specs.ts";
import { countEntries } from "./migrate.ts";
import type { Pins } from "./pins.ts";
import { pressure, pressureAlarm, slotsPerService } from "./sizing.ts";

/**
 * The entries per table (bpf-lb-map-max) that hold what is pinned, with room to spare; undefined when those declared do.
 * Walks only pinned tables that are larger than declared.
 */
export function fittingMapMax(declared: readonly DeclaredMap[], pins: Pins): number | undefined {
  const sizes = declared
    .filter(({ writtenByAgent }) => writtenByAgent)
    .map((map) => ({
      map: map.name,
      maxEntries: map.layout.maxEntries,
      used: mostUsed(map, pins),
    }));
  const tooSmall = sizes.filter(
    ({ used, maxEntries }) => pressure(used, maxEntries) >= pressureAlarm,
  );
  if (tooSmall.length === 0) return undefined;
  const needed = tooSmall.map(({ map, used }) => ({ map, maxEntries: Math.ceil(used * spare) }));
  return Math.max(...[...sizes, ...needed].map(mapMaxOf));
}

/** What bpf-lb-map-max says when a table has this size. */
export function mapMaxOf(table: { readonly map: string; readonly maxEntries: number }): number {
  const { map, maxEntries } = table;
  return map === "tsi_lb_slot" ? Math.ceil(maxEntries / slotsPerService) : maxEntries;
}

/** Of the pinned tables that are larger than declared; 0 when there is none. */
function mostUsed({ name, hash, layout }: DeclaredMap, pins: Pins): number {
  const others = pins.listMaps().filter((pin) => pin.map === name && pin.layoutHash !== hash);
  return Math.max(0, ...others.map(({ path }) => usedEntries(path, layout.maxEntries)));
}

const spare = 1.5;

/** How many entries a successor needs; 0 for a map that is not larger than it will be. */
function usedEntries(path: string, maxEntries: number): number {
  using map = BpfMap.fromPinned(path);
  if (map.maxEntries <= maxEntries) return 0;
  return map.type === "array" ? lastUsed(map) + 1 : countEntries(map);
}

/** -1 when all is zero. */
function lastUsed(map: BpfMap): number {
  let index = 0;
  let last = -1;
  for (const { count, values } of map.packedEntries(4096)) {
    for (let at = 0; at < count * map.valueSize; at++)
      if (values[at] !== 0) last = index + Math.floor(at / map.valueSize);
    index += count;
  }
  return last;
}
