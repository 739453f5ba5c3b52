// Backend sets that frontends point at: slots, affinity, Maglev tables.
import type { BackendSetEntry, Delta } from "@tsilium/datapath/model.ts";
import { type MaglevOptions, MaglevTables } from "../maglev.ts";
import type { DecidedBackend, DecidedSet } from "../model.ts";
import type { BackendRow, Backends } from "./backends.ts";
import { Ids, type IdRange } from "./ids.ts";
import { differingParts } from "./list-diff.ts";
import { Pending, type RowState } from "./row.ts";
import { updateSlots } from "./slots.ts";

/** What the kernel has of a set. */
type WrittenSet = {
  /** Without the table, which is made when it is written and not kept. */
  readonly entry: BackendSetEntry;
  /** SetRow.version that it is of; undefined: found in the kernel. */
  readonly version: number | undefined;
  readonly hasTable: boolean;
};

export type SetRow = RowState<WrittenSet> & {
  /** 0: none yet. */
  id: number;
  /** "ns/name 80/TCP/4/cluster" */
  readonly name: string;
  /** How often frontends point at it. */
  users: number;
  decided: DecidedSet;
  slots: BackendRow[];
  /** Goes up when slots, or weights, are not what they were. */
  version: number;
};

export type SetsOptions = {
  readonly range: IdRange;
  readonly backends: Backends;
  readonly maglev: MaglevOptions;
};

/** With fewer, a table would say nothing. */
const fewestForTable = 2;

export class Sets {
  readonly #rows = new Map<string, SetRow>();
  /** Of the kernel's, those that no frontend has claimed. */
  readonly #adopted = new Map<number, BackendSetEntry>();
  /** A removal of these failed, or may have. */
  #isUnsureOfAdopted = false;
  readonly #unnumbered = new Set<SetRow>();
  readonly #ids: Ids;
  readonly #backends: Backends;
  readonly #maglev: MaglevTables;
  readonly #pending = new Pending<SetRow, WrittenSet>({
    onRemoved: (row) => this.#forget(row),
    larger: (a, b) => (a.entry.backends.length >= b.entry.backends.length ? a : b),
  });

  constructor({ range, backends, maglev }: SetsOptions) {
    this.#ids = new Ids(range);
    this.#backends = backends;
    this.#maglev = new MaglevTables(maglev);
  }

  /** The kernel's table has more entries now. */
  raise(last: number): void {
    this.#ids.raise(last);
  }

  get size(): number {
    return this.#rows.size;
  }

  find(name: string): SetRow | undefined {
    return this.#rows.get(name);
  }

  /** Takes over what the kernel has, but for sets whose number cannot be. */
  adopt(entries: readonly BackendSetEntry[]): void {
    for (const entry of entries) if (this.#ids.take(entry.id)) this.#adopted.set(entry.id, entry);
  }

  /** For one more frontend. Its number comes with the next changes. */
  acquire(name: string, decided: DecidedSet): SetRow {
    const row = this.#rows.get(name) ?? this.#add(name, decided);
    row.users++;
    if (row.users === 1) this.#rebuild(row, decided);
    else this.update(row, decided);
    return row;
  }

  release(row: SetRow): void {
    row.users--;
    if (row.users === 0) this.#pending.touch(row);
  }

  /** What the set should be from now on, given that it was what was decided before. */
  update(row: SetRow, decided: DecidedSet): void {
    const before = row.decided;
    if (before === decided) return;
    row.decided = decided;
    this.#pending.touch(row);
    const { removed, added } = differingParts(before.backends, decided.backends);
    const gone = new Map(removed.map((backend) => [backend.key, backend]));
    const come = added.filter((backend) => {
      const known = gone.get(backend.key);
      if (known && known.weight !== backend.weight) row.version++;
      return !gone.delete(backend.key);
    });
    this.#change(row, new Set([...gone.keys()].map((key) => this.#backends.row(key))), come);
  }

  /** Gives a set that has no number that of the kernel's set `id`, if nobody claimed it before. */
  claim(row: SetRow, id: number): void {
    const found = row.id === 0 ? this.#adopted.get(id) : undefined;
    if (!found) return;
    this.#adopted.delete(id);
    this.#unnumbered.delete(row);
    row.id = id;
    row.slots = found.backends.flatMap((each) => this.#backends.byId(each) ?? []);
    row.written = { entry: found, version: undefined, hasTable: found.maglev !== undefined };
    row.unsure = this.#isUnsureOfAdopted;
    this.#rebuild(row, row.decided);
  }

  /** Gives all others numbers, as long as there are any. */
  number(): void {
    for (const row of this.#unnumbered) {
      const id = row.users > 0 ? this.#ids.allocate() : undefined;
      if (id === undefined) continue;
      row.id = id;
      this.#unnumbered.delete(row);
      this.#pending.touch(row);
    }
  }

  changes(): Delta<BackendSetEntry> {
    const { put, remove } = this.#pending.take({
      want: (row) => (row.users === 0 || row.id === 0 ? undefined : wantedOf(row)),
      same: isSame,
    });
    return {
      put: put.map(({ row, entry: { entry, hasTable } }) =>
        hasTable ? { ...entry, maglev: this.#tableOf(row) } : entry,
      ),
      remove: [...remove.map(({ entry }) => entry), ...this.#adopted.values()],
    };
  }

  applied(): void {
    this.#pending.applied();
    for (const id of this.#adopted.keys()) this.#ids.free(id);
    this.#adopted.clear();
  }

  failed(): void {
    this.#pending.failed();
    this.#isUnsureOfAdopted = true;
  }

  #add(name: string, decided: DecidedSet): SetRow {
    const row: SetRow = {
      id: 0,
      name,
      users: 0,
      decided,
      slots: [],
      version: 0,
      written: undefined,
      unsure: false,
    };
    this.#rows.set(name, row);
    this.#unnumbered.add(row);
    return row;
  }

  /** From whatever is in the slots. */
  #rebuild(row: SetRow, decided: DecidedSet): void {
    row.decided = decided;
    row.version++;
    this.#pending.touch(row);
    const wanted = new Map(decided.backends.map((each) => [this.#backends.row(each.key), each]));
    const gone = new Set(row.slots.filter((backend) => !wanted.delete(backend)));
    this.#change(row, gone, [...wanted.values()]);
  }

  #change(row: SetRow, gone: ReadonlySet<BackendRow>, come: readonly DecidedBackend[]): void {
    if (gone.size === 0 && come.length === 0) return;
    row.version++;
    updateSlots(
      row.slots,
      gone,
      come.map(({ key }) => this.#backends.row(key)),
    );
  }

  #tableOf({ slots, decided }: SetRow): Uint32Array {
    const weights = new Map(decided.backends.map(({ key, weight }) => [key, weight]));
    const table = this.#maglev.table(slots, ({ key }) => weights.get(key) ?? 1);
    return table.map((index) => (slots[index] as BackendRow).id);
  }

  #forget(row: SetRow): void {
    if (row.users > 0 || this.#rows.get(row.name) !== row) return;
    this.#rows.delete(row.name);
    this.#unnumbered.delete(row);
    this.#ids.free(row.id);
  }
}

function wantedOf({ id, decided, slots, version }: SetRow): WrittenSet {
  const { affinityTimeoutS, silent, maglev } = decided;
  const backends = slots.map((backend) => backend.id);
  return {
    entry: { id, backends, affinityTimeoutS, silent, maglev: undefined },
    version,
    hasTable: maglev && backends.length >= fewestForTable,
  };
}

function isSame(written: WrittenSet, wanted: WrittenSet): boolean {
  const { entry: old } = written;
  const { entry: next } = wanted;
  if (old.affinityTimeoutS !== next.affinityTimeoutS || old.silent !== next.silent) return false;
  if (written.hasTable !== wanted.hasTable) return false;
  if (written.version === wanted.version) return true;
  // Which table it was is not known.
  if (wanted.hasTable) return false;
  return (
    old.backends.length === next.backends.length &&
    old.backends.every((id, slot) => id === next.backends[slot])
  );
}
