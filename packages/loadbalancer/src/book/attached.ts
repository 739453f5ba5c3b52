// What hangs on frontends in tables of its own: source ranges, exceptions.
import type { Delta } from "@tsilium/datapath/model.ts";
import { Pending, type RowState } from "./row.ts";

type AttachedRow<Entry> = RowState<Entry> & {
  readonly key: string;
  readonly entry: Entry;
  isWanted: boolean;
};

export class Attached<Owner extends object, Entry> {
  readonly #rows = new Map<string, AttachedRow<Entry>>();
  readonly #byOwner = new Map<Owner, readonly AttachedRow<Entry>[]>();
  /** An entry is all key: what is there need not be written again. */
  readonly #keyOf: (entry: Entry) => string;
  readonly #pending = new Pending<AttachedRow<Entry>, Entry>({
    onRemoved: (row) => {
      if (!row.isWanted && this.#rows.get(row.key) === row) this.#rows.delete(row.key);
    },
  });

  constructor(keyOf: (entry: Entry) => string) {
    this.#keyOf = keyOf;
  }

  get size(): number {
    return this.#rows.size;
  }

  adopt(entries: readonly Entry[]): void {
    for (const entry of entries) this.#row(entry).written = entry;
  }

  /** All that the owner should have. Keys of different owners differ. */
  replace(owner: Owner, entries: readonly Entry[]): void {
    const before = this.#byOwner.get(owner);
    if (!before && entries.length === 0) return;
    for (const row of before ?? []) row.isWanted = false;
    const after = entries.map((entry) => this.#row(entry));
    for (const row of after) row.isWanted = true;
    for (const row of [...(before ?? []), ...after]) this.#pending.touch(row);
    if (after.length > 0) this.#byOwner.set(owner, after);
    else this.#byOwner.delete(owner);
  }

  changes(): Delta<Entry> {
    const { put, remove } = this.#pending.take({
      want: ({ isWanted, entry }) => (isWanted ? entry : undefined),
      same: () => true,
    });
    return { put: put.map(({ entry }) => entry), remove };
  }

  applied(): void {
    this.#pending.applied();
  }

  failed(): void {
    this.#pending.failed();
  }

  #row(entry: Entry): AttachedRow<Entry> {
    const key = this.#keyOf(entry);
    const known = this.#rows.get(key);
    if (known) return known;
    const row = { key, entry, isWanted: false, written: undefined, unsure: false };
    this.#rows.set(key, row);
    this.#pending.touch(row);
    return row;
  }
}
