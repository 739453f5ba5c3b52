// The service maps of the shipped objects, fresh, small and unpinned, for tests of what is written to them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CollectionSpec, loadCollection, parseObject } from "@tsilium/ebpf";
import type { BpfMap } from "@tsilium/ebpf";
import { projectRoot } from "@tsilium/syscall";
import { sizeMaglev } from "../services/maglev.ts";

/** Entries of each map by its name; others have `entries`. */
export type Sizes = {
  readonly entries: number;
  readonly maglev: number;
  readonly of?: Readonly<Record<string, number>>;
};

/** All maps named tsi_lb_*. */
export function freshServiceMaps(sizes: Sizes): Disposable & {
  get(name: string): BpfMap;
  readonly names: readonly string[];
} {
  const spec = parseObject(readFileSync(join(projectRoot(), "dist/bpf/from_container.o")));
  const maps = Object.values(spec.maps).filter(({ name }) => name.startsWith("tsi_lb_"));
  for (const map of maps) {
    map.maxEntries = sizes.of?.[map.name] ?? sizes.entries;
    if (map.type === "hash_of_maps") sizeMaglev(map, sizes.maglev);
  }
  const only = Object.fromEntries(maps.map((map) => [map.name, map]));
  const loaded = loadCollection(
    new CollectionSpec({ ...spec, maps: only, programs: {}, variables: {} }),
  );
  return {
    get: (name) => loaded.map(name),
    names: Object.keys(only),
    [Symbol.dispose]: () => loaded[Symbol.dispose](),
  };
}
