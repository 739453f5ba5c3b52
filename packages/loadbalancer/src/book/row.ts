// A row of a kernel table: what it should be, and what is known of the one that is there.
//
//   written  ──want──>  changes()  ──applied()──>  written
//                           └──────failed()───>  unsure: the kernel has the old one or the new one

/** Kept by whoever owns the row. */
export type RowState<Entry> = {
  /** As the kernel has it, for all we know; undefined: it has none. */
  written: Entry | undefined;
  /** A write of it failed, or may have. */
  unsure: boolean;
};

export type Written<Row, Entry> = { readonly row: Row; readonly entry: Entry };

/** The rows of a table that may differ from the kernel's, and those that are on their way there. */
export class Pending<Row extends RowState<Entry>, Entry> {
  #touched = new Set<Row>();
  #flying = new Map<Row, Entry | undefined>();
  /** How a row that was removed leaves the book. */
  readonly #onRemoved: (row: Row) => void;
  /** Of two entries that the kernel may have, the one that takes more to remove. */
  readonly #larger: (a: Entry, b: Entry) => Entry;

  constructor(options: {
    readonly onRemoved: (row: Row) => void;
    readonly larger?: (a: Entry, b: Entry) => Entry;
  }) {
    this.#onRemoved = options.onRemoved;
    this.#larger = options.larger ?? ((a) => a);
  }

  /** The row may have to be written. */
  touch(row: Row): void {
    this.#touched.add(row);
  }

  /** Those that `take` will look at. */
  rows(): Iterable<Row> {
    return this.#touched;
  }

  /** What has to be written, given what each row should be. They are on their way from now on. */
  take(options: {
    /** undefined: the row should not be there. */
    readonly want: (row: Row) => Entry | undefined;
    readonly same: (written: Entry, wanted: Entry) => boolean;
  }): { readonly put: Written<Row, Entry>[]; readonly remove: Entry[] } {
    const put: Written<Row, Entry>[] = [];
    const remove: Entry[] = [];
    for (const row of this.#touched) {
      const wanted = options.want(row);
      if (wanted === undefined) {
        if (row.written !== undefined) remove.push(row.written);
        this.#flying.set(row, undefined);
      } else if (row.unsure || row.written === undefined || !options.same(row.written, wanted)) {
        put.push({ row, entry: wanted });
        this.#flying.set(row, wanted);
      }
    }
    this.#touched = new Set();
    return { put, remove };
  }

  /** The kernel has what was taken. */
  applied(): void {
    for (const [row, entry] of this.#flying) {
      row.written = entry;
      row.unsure = false;
      if (entry === undefined) this.#onRemoved(row);
    }
    this.#flying = new Map();
  }

  /** The kernel may have some of what was taken. */
  failed(): void {
    for (const [row, entry] of this.#flying) {
      if (entry !== undefined)
        row.written = row.written === undefined ? entry : this.#larger(entry, row.written);
      row.unsure = true;
      this.#touched.add(row);
    }
    this.#flying = new Map();
  }
}
