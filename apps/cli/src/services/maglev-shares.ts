// How a Maglev table divides flows. Pure.
import type { BackendEntry } from "@tsilium/datapath/model.ts";
import { backendAddress } from "./kernel-frontends.ts";

export type MaglevShare = {
  readonly set: number;
  readonly backend: number;
  /** undefined: the table names a backend that is not there. */
  readonly address: string | undefined;
  /** Of the table, and as a part of 1. */
  readonly entries: number;
  readonly share: number;
};

/** One row for each backend in the table, the largest share first. */
export function maglevShares(
  set: number,
  table: Iterable<number>,
  backends: readonly BackendEntry[],
): MaglevShare[] {
  const counts = new Map<number, number>();
  for (const backend of table) counts.set(backend, (counts.get(backend) ?? 0) + 1);
  const size = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const addresses = new Map(backends.map((backend) => [backend.id, backendAddress(backend)]));
  return [...counts]
    .map(([backend, entries]) => ({
      set,
      backend,
      address: addresses.get(backend),
      entries,
      share: entries / size,
    }))
    .toSorted((a, b) => b.entries - a.entries || a.backend - b.backend);
}
