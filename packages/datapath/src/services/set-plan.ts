// How a backend set becomes another one, so that no packet meets a slot that is not written: additions, then the row
// that makes them count, then what it does not count any more.
import type { BackendSet, BackendSlotKey } from "../gen/abi.ts";
import type { BackendSetEntry } from "../model.ts";
import { slotEntries } from "./kernel-state.ts";
import type { KernelSet } from "./kernel-state.ts";
import { memberKeyBit, noSet, setRow } from "./rows.ts";

export type SetPlan = {
  readonly id: number;
  /** To be written before the row: members, and slots whose backend differs. */
  readonly slots: readonly (readonly [BackendSlotKey, number])[];
  /** undefined: stays as it is. */
  readonly row: BackendSet | undefined;
  /** To be removed after the row. */
  readonly surplus: readonly BackendSlotKey[];
  /** Entries of tsi_lb_slot more than before. */
  readonly growth: number;
  /** The set afterwards. */
  readonly next: KernelSet & { readonly usesMaglev: boolean };
};

/** The way from what the kernel holds to what is wanted. */
export function planSet(present: KernelSet, wanted: BackendSetEntry): SetPlan {
  const row = setRow(wanted);
  const members = new Set(wanted.affinityTimeoutS > 0 ? wanted.backends : []);
  const usesMaglev = wanted.maglev !== undefined;
  const next = { row, slots: wanted.backends.slice(), members, usesMaglev };
  return plan(wanted.id, present, next);
}

/** The way to nothing. */
export function planRemoval(id: number, present: KernelSet): SetPlan {
  return plan(id, present, { row: noSet, slots: [], members: new Set(), usesMaglev: false });
}

function plan(id: number, present: KernelSet, next: SetPlan["next"]): SetPlan {
  const slots: (readonly [BackendSlotKey, number])[] = [];
  const surplus: BackendSlotKey[] = [];
  // First: whoever gets a new slot's backend is to stay there.
  for (const backend of next.members)
    if (!present.members.has(backend)) slots.push([memberKey(id, backend), backend]);
  next.slots.forEach((backend, slot) => {
    if (backend !== undefined && present.slots[slot] !== backend)
      slots.push([{ set: id, slot }, backend]);
  });
  present.slots.forEach((_, slot) => {
    if (slot >= next.slots.length) surplus.push({ set: id, slot });
  });
  for (const backend of present.members)
    if (!next.members.has(backend)) surplus.push(memberKey(id, backend));
  const row = sameRow(present.row, next.row) ? undefined : next.row;
  const growth = slotEntries(next) - slotEntries(present);
  return { id, slots, row, surplus, growth, next };
}

function memberKey(set: number, backend: number): BackendSlotKey {
  return { set, slot: (backend | memberKeyBit) >>> 0 };
}

function sameRow(a: BackendSet, b: BackendSet): boolean {
  return (
    a.count === b.count &&
    a.affinityTimeoutS === b.affinityTimeoutS &&
    a.algorithm === b.algorithm &&
    a.flags === b.flags
  );
}
