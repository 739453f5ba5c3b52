// A map of maps of one size takes over the maps of one of another size: they are shared, not copied.
import { BpfMap, codecs, decode, encode } from "@tsilium/ebpf";
import type { InnerLayout } from "./layout.ts";
import { withExpeditedGracePeriods } from "../programs/grace-period.ts";

/** Maps whose descriptors are open at a time. */
const mapsAtOnce = 256;

/**
 * Puts the maps of `from` into `to` under the same keys, those that it lacks, and answers how many; none when theirs is
 * another shape than `shape`: whoever fills the map makes them anew.
 */
export function copyInnerMaps(from: BpfMap, to: BpfMap, shape: InnerLayout | undefined): number {
  const missing = [...from.keys()].filter((key) => to.lookup(key) === undefined);
  for (let start = 0; start < missing.length; start += mapsAtOnce) {
    using opened = new DisposableStack();
    const inner = missing.slice(start, start + mapsAtOnce).flatMap((key) => {
      const id = from.lookup(key);
      return id === undefined
        ? []
        : [{ key, map: opened.use(BpfMap.fromId(decode(codecs.u32, id))) }];
    });
    if (!inner.every(({ map }) => isOfShape(map, shape))) return start;
    const entries = inner.map(({ key, map }) => [key, encode(codecs.u32, map.fd)] as const);
    withExpeditedGracePeriods(() => to.batchUpdate(entries));
  }
  return missing.length;
}

function isOfShape(map: BpfMap, shape: InnerLayout | undefined): boolean {
  return (
    shape !== undefined &&
    map.type === shape.type &&
    map.keySize === shape.keySize &&
    map.valueSize === shape.valueSize &&
    map.maxEntries === shape.maxEntries &&
    map.flags === shape.flags
  );
}
