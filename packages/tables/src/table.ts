// An in-memory table: rows by key, secondary indexes, and every change in order to whoever subscribed.
// Features meet here. A row is replaced, never mutated; the table keeps the object it was given.
import { ChangeQueue } from "./change-queue.ts";

export type Change<Row> = {
  readonly kind: "upsert" | "delete";
  /** The new row, or the deleted one. */
  readonly row: Row;
  /** What an upsert replaced. */
  readonly previous?: Row;
  /** The table's revision after this change; a replayed row carries the revision it was written at. */
  readonly revision: number;
};

export type TableOptions<Row> = {
  /** For logs and metrics. */
  readonly name: string;
  /** The row's primary key; must be stable for a row's life. */
  readonly key: (row: Row) => string;
  /** Secondary indexes: the values under which a row is found by `by`. */
  readonly indexes?: Readonly<Record<string, (row: Row) => readonly string[]>>;
  /** When an upsert changes nothing: no event and no new revision. Without it every upsert is a change. */
  readonly equals?: (a: Row, b: Row) => boolean;
};

export type SubscribeOptions = {
  /** First call the listener with every row there is, in order of last change. */
  readonly replay?: boolean;
};

type Stored<Row> = { readonly row: Row; readonly revision: number };

/** Rows by key with change streams. Synchronous: after `upsert` returns every listener has run. */
export class Table<Row> {
  readonly name: string;
  readonly key: (row: Row) => string;
  readonly #options: TableOptions<Row>;
  // Insertion order is order of last change: an upsert deletes and sets again.
  readonly #rows = new Map<string, Stored<Row>>();
  readonly #indexes = new Map<string, Map<string, Map<string, Row>>>();
  readonly #listeners = new Set<(change: Change<Row>) => void>();
  readonly #pending: Change<Row>[] = [];
  #delivering = false;
  #revision = 0;

  constructor(options: TableOptions<Row>) {
    this.name = options.name;
    this.key = options.key;
    this.#options = options;
    for (const name of Object.keys(options.indexes ?? {})) this.#indexes.set(name, new Map());
  }

  /** Number of changes so far; grows by one with each. */
  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#rows.size;
  }

  get(key: string): Row | undefined {
    return this.#rows.get(key)?.row;
  }

  has(key: string): boolean {
    return this.#rows.has(key);
  }

  /** Every row, in order of last change. A live view: copy it before changing the table in a loop. */
  *values(): Generator<Row, void> {
    for (const { row } of this.#rows.values()) yield row;
  }

  /** Rows that an index files under `value`. @throws RangeError for an index the table has not */
  by(index: string, value: string): Row[] {
    const found = this.#indexes.get(index);
    if (!found) throw new RangeError(`table ${this.name} has no index ${index}`);
    return [...(found.get(value)?.values() ?? [])];
  }

  /** Inserts or replaces the row with this key. Answers the revision it is now at. */
  upsert(row: Row): number {
    const key = this.key(row);
    const before = this.#rows.get(key);
    if (before && this.#options.equals?.(before.row, row)) return before.revision;
    const revision = ++this.#revision;
    if (before) this.#unindex(key, before.row);
    this.#rows.delete(key);
    this.#rows.set(key, { row, revision });
    this.#index(key, row);
    this.#announce({
      kind: "upsert",
      row,
      revision,
      ...(before ? { previous: before.row } : {}),
    });
    return revision;
  }

  /** Removes the row; false when there was none. */
  delete(key: string): boolean {
    const before = this.#rows.get(key);
    if (!before) return false;
    this.#unindex(key, before.row);
    this.#rows.delete(key);
    this.#announce({ kind: "delete", row: before.row, revision: ++this.#revision });
    return true;
  }

  /**
   * Calls `listener` for every change from now on, in order, before the changing call returns. A change made
   * by a listener is delivered after the one under way has reached everybody. A listener that throws does not
   * keep others from hearing: the error surfaces as an uncaught exception.
   */
  subscribe(listener: (change: Change<Row>) => void, options: SubscribeOptions = {}): Disposable {
    const known = this.#revision;
    const replayed = options.replay ? [...this.#rows.values()] : [];
    // What is queued already is part of the replay, or precedes the subscription.
    const fresh = (change: Change<Row>) => {
      if (change.revision > known) listener(change);
    };
    this.#listeners.add(fresh);
    this.#inOrder(() => {
      for (const { row, revision } of replayed) listener({ kind: "upsert", row, revision });
    });
    return { [Symbol.dispose]: () => void this.#listeners.delete(fresh) };
  }

  /**
   * Changes as batches: all that happened since the last batch was taken. Ends when `signal` aborts. The queue
   * keeps only the last change of a key while nobody takes, so a slow reader costs at most one entry per row.
   */
  changes(signal: AbortSignal, options: SubscribeOptions = {}): AsyncIterable<Change<Row>[]> {
    const queue = new ChangeQueue<Row>(this.key, signal);
    const subscription = this.subscribe((change) => queue.push(change), options);
    return queue.batches(subscription);
  }

  #announce(change: Change<Row>): void {
    this.#pending.push(change);
    this.#inOrder(() => {});
  }

  /** Runs `first`, then delivers what is pending; when a delivery is under way already, that one delivers. */
  #inOrder(first: () => void): void {
    const outermost = !this.#delivering;
    this.#delivering = true;
    try {
      first();
      if (!outermost) return;
      for (let next = this.#pending.shift(); next; next = this.#pending.shift())
        for (const listener of this.#listeners) this.#call(listener, next);
    } finally {
      if (outermost) this.#delivering = false;
    }
  }

  #call(listener: (change: Change<Row>) => void, change: Change<Row>): void {
    if (!this.#listeners.has(listener)) return;
    try {
      listener(change);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #index(key: string, row: Row): void {
    for (const [name, values] of this.#indexes)
      for (const value of this.#options.indexes?.[name]?.(row) ?? []) {
        let rows = values.get(value);
        if (!rows) values.set(value, (rows = new Map()));
        rows.set(key, row);
      }
  }

  #unindex(key: string, row: Row): void {
    for (const [name, values] of this.#indexes)
      for (const value of this.#options.indexes?.[name]?.(row) ?? []) {
        const rows = values.get(value);
        rows?.delete(key);
        if (rows?.size === 0) values.delete(value);
      }
  }
}
