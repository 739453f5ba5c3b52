// What the kernel holds of services, as far as a writer must know it to write differences only: read once, then kept in
// step with what is written.
import type { BackendSet } from "../gen/abi.ts";
import type { FrontendEntry, ServiceSurvey } from "../model.ts";
import { maglevSets } from "./maglev.ts";
import * as rows from "./rows.ts";
import type { ServiceTables } from "./tables.ts";

/** One set with all that its number has in tsi_lb_slot, also past `row.count`. */
export type KernelSet = {
  readonly row: BackendSet;
  /** Backend by slot; a hole where nothing is written. */
  readonly slots: readonly (number | undefined)[];
  /** Backends that have a member entry. */
  readonly members: ReadonlySet<number>;
};

export type KernelState = {
  readonly sets: Map<number, KernelSet>;
  /** Slots and member entries of all sets. */
  slotEntries: number;
  /** Sets that have a Maglev table. */
  readonly maglev: Set<number>;
  /** Frontends' ids by `keyText`. */
  readonly frontends: Map<string, number>;
  /** Ids of frontends that have an address. */
  readonly addresses: Set<number>;
  /** Addresses without a frontend: a writer ended between the two. */
  readonly strayAddresses: number[];
  readonly backends: Set<number>;
  /** By `rangeText`. */
  readonly sourceRanges: Set<string>;
  /** By `exceptionText`. */
  readonly exceptions: Set<string>;
};

/** What a set is that nothing is known of. */
export const unwrittenSet: KernelSet = { row: rows.noSet, slots: [], members: new Set() };

/** Walks every table once. */
export function readServices(tables: ServiceTables): {
  readonly state: KernelState;
  readonly survey: ServiceSurvey;
} {
  const frontends = Array.from(tables.frontend.entries(), (row) => rows.frontendEntry(...row));
  const backends = Array.from(tables.backend.entries(), (row) => rows.backendEntry(...row));
  const sourceRanges = Array.from(tables.source.entries(), ([key]) => rows.sourceRange(key));
  const exceptions = Array.from(tables.skip.entries(), ([key]) => rows.serviceException(key));
  const maglev = maglevSets(tables.maglev);
  const sets = readSets(tables, [...maglev, ...setsNamedBy(frontends)]);
  const addresses = new Set(Array.from(tables.address.entries(), ([id]) => id));
  const state: KernelState = {
    sets,
    slotEntries: sets.values().reduce((sum, set) => sum + slotEntries(set), 0),
    maglev,
    frontends: new Map(frontends.map((entry) => [rows.keyText(entry), entry.id])),
    addresses,
    strayAddresses: [...addresses.difference(new Set(frontends.map(({ id }) => id)))],
    backends: new Set(backends.map(({ id }) => id)),
    sourceRanges: new Set(sourceRanges.map(rows.rangeText)),
    exceptions: new Set(exceptions.map(rows.exceptionText)),
  };
  const surveyed = Array.from(sets, ([id, set]) =>
    rows.setEntry(id, { row: set.row, backends: countedSlots(set), hasMaglev: maglev.has(id) }),
  );
  return { state, survey: { backends, sets: surveyed, frontends, sourceRanges, exceptions } };
}

/** Entries of a set in tsi_lb_slot. */
export function slotEntries({ slots, members }: KernelSet): number {
  let entries = members.size;
  for (const backend of slots) if (backend !== undefined) entries++;
  return entries;
}

/** The sets of these numbers, and those that have slots. */
function readSets(tables: ServiceTables, wanted: readonly number[]): Map<number, KernelSet> {
  const found = new Map<number, { slots: (number | undefined)[]; members: Set<number> }>();
  const at = (id: number) => {
    const known = found.get(id) ?? { slots: [], members: new Set() };
    found.set(id, known);
    return known;
  };
  for (const id of wanted) at(id);
  for (const [{ set, slot }, backend] of tables.slot.entries())
    if (slot >= rows.memberKeyBit) at(set).members.add(backend);
    else at(set).slots[slot] = backend;
  return new Map(
    Array.from(found, ([id, entries]) => [
      id,
      { row: tables.set.lookup(id) ?? rows.noSet, ...entries },
    ]),
  );
}

function setsNamedBy(frontends: readonly FrontendEntry[]): number[] {
  return frontends
    .flatMap(({ externalSet, internalSet }) => [externalSet, internalSet])
    .filter((set) => set !== 0);
}

function countedSlots({ row, slots }: KernelSet): number[] {
  return slots.slice(0, row.count).filter((backend) => backend !== undefined);
}
