// Services in the kernel: the writer's side of bpf/maps/service.h. Writes differences only, in batches, and in an order
// in which a packet never meets a frontend whose set, a set whose slot, or a slot whose backend is not there:
//
//   put:     backends -> slots -> Maglev tables -> sets -> ranges, exceptions -> addresses -> frontends
//   remove:  the other way round
import { isBpfError } from "@tsilium/ebpf";
import type { BpfMap, TypedMap } from "@tsilium/ebpf";
import { DatapathError } from "../errors.ts";
import type { BackendSetEntry, FrontendEntry, ServiceChanges, ServiceSurvey } from "../model.ts";
import { Affinities } from "./affinities.ts";
import { ServiceFlows } from "./flows.ts";
import { readServices, unwrittenSet } from "./kernel-state.ts";
import type { KernelState } from "./kernel-state.ts";
import { createMaglev, removeMaglev, rewriteMaglev } from "./maglev.ts";
import type { MaglevTable } from "./maglev.ts";
import * as rows from "./rows.ts";
import { planRemoval, planSet } from "./set-plan.ts";
import type { SetPlan } from "./set-plan.ts";
import { SocketFlows } from "./sockets.ts";
import type { FlowTables, ServiceTables } from "./tables.ts";

/** How full a table is that refuses entries when full. */
export type TableUsage = {
  readonly map: string;
  readonly entries: number;
  readonly maxEntries: number;
};

export class ServiceMaps {
  readonly flows: ServiceFlows;
  readonly affinities: Affinities;
  readonly sockets: SocketFlows;
  #tables: ServiceTables;
  /** undefined: not read yet, or in doubt since a write failed. */
  #state: KernelState | undefined;

  constructor(tables: ServiceTables, flows: FlowTables) {
    this.#tables = tables;
    const hasBackend = (id: number): boolean => this.#known().backends.has(id);
    const timeoutS = (set: number): number =>
      this.#known().sets.get(set)?.row.affinityTimeoutS ?? 0;
    this.flows = new ServiceFlows(flows.flow, hasBackend);
    this.sockets = new SocketFlows(flows.socket, hasBackend);
    this.affinities = new Affinities(flows.affinity, { hasBackend, timeoutS });
  }

  /** All that the kernel holds, read anew: the numbers in it are taken. @throws BpfError */
  survey(): ServiceSurvey {
    const { state, survey } = readServices(this.#tables);
    this.#state = state;
    return survey;
  }

  /**
   * Brings the kernel from what it holds to what these changes say; what is both put and removed is put. Idempotent, and
   * to be repeated, with the same changes or later ones, after an error, which may have left a part written.
   * @throws DatapathError map_full with the table and what to raise; BpfError
   */
  apply(changes: ServiceChanges): void {
    const state = this.#known();
    // Until all is written, what is known is in doubt.
    this.#state = undefined;
    this.#put(state, changes);
    this.#remove(state, changes);
    this.#state = state;
  }

  /** The tables that refuse entries when full. Counts are kept along with what is written: nothing is walked. */
  usage(): TableUsage[] {
    const state = this.#known();
    const entries: Readonly<Record<keyof ServiceTables, number>> = {
      frontend: state.frontends.size,
      address: state.addresses.size,
      set: state.sets.size,
      slot: state.slotEntries,
      backend: state.backends.size,
      maglev: state.maglev.size,
      source: state.sourceRanges.size,
      skip: state.exceptions.size,
    };
    return Object.entries(this.#tables).map(([name, table]) => ({
      map: `tsi_lb_${name}`,
      entries: entries[name as keyof ServiceTables],
      maxEntries: ("map" in table ? table.map : table).maxEntries,
    }));
  }

  /** Goes on with larger tables, which must hold what the present ones do. */
  moveTo(tables: ServiceTables): void {
    this.#tables = tables;
  }

  #known(): KernelState {
    this.#state ??= readServices(this.#tables).state;
    return this.#state;
  }

  #put(state: KernelState, changes: ServiceChanges): void {
    const { backend, source, skip } = this.#tables;
    const { backends, sets, sourceRanges, exceptions, frontends } = changes;
    write(
      backend,
      backends.put.map((entry) => [entry.id, rows.backendRow(entry)]),
    );
    for (const { id } of backends.put) state.backends.add(id);
    this.#putSets(state, sets.put);
    write(
      source,
      sourceRanges.put.map((range) => [rows.sourceKey(range), 0]),
    );
    for (const range of sourceRanges.put) state.sourceRanges.add(rows.rangeText(range));
    write(
      skip,
      exceptions.put.map((exception) => [rows.exceptionKey(exception), 0]),
    );
    for (const exception of exceptions.put) state.exceptions.add(rows.exceptionText(exception));
    this.#putFrontends(state, frontends.put);
  }

  #remove(state: KernelState, changes: ServiceChanges): void {
    const { backend, source, skip } = this.#tables;
    this.#removeFrontends(state, changes);
    const exceptions = without(changes.exceptions, rows.exceptionText);
    skip.deleteMany(exceptions.map(rows.exceptionKey));
    for (const exception of exceptions) state.exceptions.delete(rows.exceptionText(exception));
    const ranges = without(changes.sourceRanges, rows.rangeText);
    source.deleteMany(ranges.map(rows.sourceKey));
    for (const range of ranges) state.sourceRanges.delete(rows.rangeText(range));
    const sets = without(changes.sets, idOf).map(({ id }) =>
      planRemoval(id, state.sets.get(id) ?? unwrittenSet),
    );
    this.#finishSets(state, sets);
    for (const { id } of sets) state.sets.delete(id);
    const backends = without(changes.backends, idOf);
    backend.deleteMany(backends.map(idOf));
    for (const { id } of backends) state.backends.delete(id);
  }

  #putSets(state: KernelState, wanted: readonly BackendSetEntry[]): void {
    const plans = wanted.map((set) => planSet(state.sets.get(set.id) ?? unwrittenSet, set));
    write(
      this.#tables.slot,
      plans.flatMap(({ slots }) => slots),
    );
    const tables = wanted.flatMap(({ id, maglev }) =>
      maglev === undefined ? [] : [{ set: id, backends: maglev }],
    );
    this.#putMaglev(state, tables);
    this.#finishSets(state, plans);
    for (const { id, next } of plans) state.sets.set(id, next);
  }

  /** Sets' rows, then what they do not count any more. */
  #finishSets(state: KernelState, plans: readonly SetPlan[]): void {
    const { set, slot, maglev } = this.#tables;
    write(
      set,
      plans.flatMap(({ id, row }) => (row === undefined ? [] : [[id, row] as const])),
    );
    slot.deleteMany(plans.flatMap(({ surplus }) => surplus));
    state.slotEntries += plans.reduce((sum, { growth }) => sum + growth, 0);
    const dropped = plans.filter(({ id, next }) => !next.usesMaglev && state.maglev.has(id));
    removeMaglev(maglev, dropped.map(idOf));
    for (const { id } of dropped) state.maglev.delete(id);
  }

  #putMaglev(state: KernelState, tables: readonly MaglevTable[]): void {
    const { maglev } = this.#tables;
    const missing = tables.filter(
      (table) => !state.maglev.has(table.set) || !rewriteMaglev(maglev, table),
    );
    orFull(maglev, () => createMaglev(maglev, missing));
    for (const { set } of missing) state.maglev.add(set);
  }

  #putFrontends(state: KernelState, put: readonly FrontendEntry[]): void {
    const { address, frontend } = this.#tables;
    const addresses = put.flatMap((entry) => {
      const row = rows.frontendAddress(entry);
      return row === undefined ? [] : [[entry.id, row] as const];
    });
    write(address, addresses);
    for (const [id] of addresses) state.addresses.add(id);
    write(
      frontend,
      put.map((entry) => [rows.frontendKey(entry), rows.frontendRow(entry)]),
    );
    const stale = put.flatMap((entry) => [
      ...(rows.frontendAddress(entry) === undefined ? [entry.id] : []),
      ...previousId(state, entry),
    ]);
    for (const entry of put) state.frontends.set(rows.keyText(entry), entry.id);
    this.#removeAddresses(state, stale, put);
  }

  #removeFrontends(state: KernelState, { frontends }: ServiceChanges): void {
    const removed = without(frontends, rows.keyText);
    this.#tables.frontend.deleteMany(removed.map(rows.frontendKey));
    const stale = removed.flatMap((entry) => [entry.id, ...previousId(state, entry)]);
    for (const entry of removed) state.frontends.delete(rows.keyText(entry));
    this.#removeAddresses(state, [...stale, ...state.strayAddresses.splice(0)], frontends.put);
  }

  /** Addresses of frontends that are gone or have another number now, unless the number is another one's by now. */
  #removeAddresses(
    state: KernelState,
    stale: readonly number[],
    put: readonly FrontendEntry[],
  ): void {
    if (stale.length === 0) return;
    const taken = new Set(put.filter(rows.frontendAddress).map(idOf));
    const gone = stale.filter((id) => state.addresses.has(id) && !taken.has(id));
    this.#tables.address.deleteMany(gone);
    for (const id of gone) state.addresses.delete(id);
  }
}

/** The number that a frontend has in the kernel. */
function previousId(state: KernelState, entry: FrontendEntry): number[] {
  const id = state.frontends.get(rows.keyText(entry));
  return id === undefined || id === entry.id ? [] : [id];
}

function idOf({ id }: { readonly id: number }): number {
  return id;
}

/** What is removed and not put under the same key. */
function without<T, K>(
  { put, remove }: { readonly put: readonly T[]; readonly remove: readonly T[] },
  keyOf: (item: T) => K,
): readonly T[] {
  if (put.length === 0 || remove.length === 0) return remove;
  const kept = new Set(put.map(keyOf));
  return remove.filter((item) => !kept.has(keyOf(item)));
}

function write<K, V>(table: TypedMap<K, V>, entries: readonly (readonly [K, V])[]): void {
  if (entries.length > 0) orFull(table.map, () => table.updateMany(entries));
}

function orFull(map: BpfMap, action: () => void): void {
  try {
    action();
  } catch (cause) {
    if (!isBpfError(cause, "E2BIG", "ENOSPC")) throw cause;
    const message = `${map.name} has no room (${map.maxEntries} entries): raise bpf-lb-map-max`;
    throw new DatapathError("map_full", message, { cause });
  }
}
