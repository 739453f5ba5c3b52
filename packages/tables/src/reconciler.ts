// Makes the outside world (a kernel map, a routing table, an API) match a table. The only place that retries.
//
//   table change --> waiting --> update | delete --ok--> done
//                       ^                   \--throws--> failing --(delay, doubled)--> waiting
//
// Operations run one at a time, in order of change, and see the row as it is when their turn comes.
import { setImmediate } from "node:timers/promises";
import { Backlog, workId, type FailureReport, type RetryDelays, type Work } from "./backlog.ts";
import type { Table } from "./table.ts";

/** All three must be idempotent: the same call twice leaves what one call leaves. */
export type Operations<Row> = {
  /** Makes the world hold this row. Throwing means: try again later. */
  update(row: Row, signal: AbortSignal): void | Promise<void>;
  /** Makes the world not hold this row; what is gone already is success. */
  delete(row: Row, signal: AbortSignal): void | Promise<void>;
  /** Removes whatever is in the world and in none of `rows`. Run after the rows, at start and at every full sync. */
  prune?(rows: readonly Row[], signal: AbortSignal): void | Promise<void>;
};

/** Where failures are reported; a pino logger fits. */
export type ReconcilerLog = {
  warn(facts: Readonly<Record<string, unknown>>, message: string): void;
};

export type ReconcilerOptions<Row> = {
  /** For status and logs. */
  readonly name: string;
  readonly table: Table<Row>;
  readonly operations: Operations<Row>;
  /** Delay before failed work is tried again: doubles from min to max. Default 50 ms to 30 s. */
  readonly retry?: RetryDelays;
  /** How often every row is written again and the rest pruned; 0 or absent: at start only. */
  readonly fullSyncMs?: number;
  readonly log?: ReconcilerLog;
};

export type ReconcilerStatus = {
  /** Rows (and the prune) not reconciled yet, failing ones not counted. */
  readonly pending: number;
  readonly failing: readonly FailureReport[];
  /** When a prune last ended without an error, milliseconds since the epoch. */
  readonly lastFullSync: number | undefined;
};

type Waiter = { readonly missing: Set<string>; readonly resolve: () => void };

/** Longest run of synchronous operations before the event loop gets its turn, milliseconds. */
const sliceMs = 10;

/** One reconciler for one table. `start` begins the work, `stop` ends it and waits for the operation under way. */
export class Reconciler<Row> implements Disposable {
  readonly name: string;
  readonly #options: ReconcilerOptions<Row>;
  readonly #backlog: Backlog<Row>;
  readonly #abort = new AbortController();
  readonly #waiters = new Set<Waiter>();
  #subscription: Disposable | undefined;
  #fullSyncTimer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #lastFullSync: number | undefined;

  constructor(options: ReconcilerOptions<Row>) {
    this.name = options.name;
    this.#options = options;
    const retry = options.retry ?? { minMs: 50, maxMs: 30_000 };
    this.#backlog = new Backlog(retry, () => this.#wake());
  }

  /** Begins, with a full sync of the rows there are. @throws Error when started before */
  start(): void {
    if (this.#subscription) throw new Error(`reconciler ${this.name} was started before`);
    const { table, fullSyncMs = 0 } = this.#options;
    this.#subscription = table.subscribe(({ row }) => this.#add(row));
    this.fullSync();
    if (fullSyncMs > 0)
      this.#fullSyncTimer = setInterval(() => this.fullSync(), fullSyncMs).unref();
  }

  /** Has every row written again and the rest pruned, soon. */
  fullSync(): void {
    for (const row of this.#options.table.values()) this.#add(row);
    this.#backlog.add({ kind: "prune" });
  }

  /** Ends for good: the operation under way is told by its signal and waited for. Waiters are left to their signals. */
  async stop(): Promise<void> {
    this[Symbol.dispose]();
    await this.#running;
    this.#backlog[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.#abort.abort();
    this.#subscription?.[Symbol.dispose]();
    clearInterval(this.#fullSyncTimer);
    this.#backlog[Symbol.dispose]();
  }

  status(): ReconcilerStatus {
    const { pending, failures } = this.#backlog;
    return { pending, failing: failures, lastFullSync: this.#lastFullSync };
  }

  /**
   * Resolves when everything known at the time of the call has been reconciled, failures retried until they
   * succeed. @throws the signal's reason when it aborts first: `status` then tells what lags.
   */
  settled(signal: AbortSignal): Promise<void> {
    return this.#done(this.#backlog.outstanding(), signal);
  }

  /** Resolves when this key's row (or its absence) is in place. @throws the signal's reason */
  wait(key: string, signal: AbortSignal): Promise<void> {
    const id = workId({ kind: "row", key });
    return this.#done(new Set(this.#backlog.has(id) ? [id] : []), signal);
  }

  #done(missing: Set<string>, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (missing.size === 0) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { missing, resolve };
    const fail = () => reject(signal.reason as Error);
    this.#waiters.add(waiter);
    signal.addEventListener("abort", fail, { once: true });
    return promise.finally(() => {
      signal.removeEventListener("abort", fail);
      this.#waiters.delete(waiter);
    });
  }

  #add(row: Row): void {
    this.#backlog.add({ kind: "row", key: this.#options.table.key(row), row });
  }

  #wake(): void {
    if (this.#abort.signal.aborted) return;
    // Not at once: the change that woke us may be one of many made in this turn.
    this.#running ??= Promise.resolve().then(() => this.#drain());
  }

  async #drain(): Promise<void> {
    let sliceStart = performance.now();
    for (let work = this.#next(); work; work = this.#next()) {
      await this.#attempt(work);
      if (performance.now() - sliceStart < sliceMs) continue;
      await setImmediate();
      sliceStart = performance.now();
    }
    // In the same turn as the last look at the backlog, or a wake in between would be lost.
    this.#running = undefined;
  }

  #next(): Work<Row> | undefined {
    return this.#abort.signal.aborted ? undefined : this.#backlog.take();
  }

  async #attempt(work: Work<Row>): Promise<void> {
    try {
      await (work.kind === "row" ? this.#reconcile(work) : this.#prune());
      this.#backlog.succeeded(work);
      this.#tellWaiters(workId(work));
    } catch (error) {
      this.#report(work, error);
    }
  }

  #reconcile({ key, row }: { readonly key: string; readonly row: Row }): void | Promise<void> {
    const { table, operations } = this.#options;
    const current = table.get(key);
    return current === undefined
      ? operations.delete(row, this.#abort.signal)
      : operations.update(current, this.#abort.signal);
  }

  async #prune(): Promise<void> {
    const { table, operations } = this.#options;
    await operations.prune?.([...table.values()], this.#abort.signal);
    this.#lastFullSync = Date.now();
  }

  #report(work: Work<Row>, cause: unknown): void {
    if (this.#abort.signal.aborted) return;
    const error = cause instanceof Error ? cause.message : String(cause);
    const facts = this.#backlog.failed(work, error);
    this.#options.log?.warn(
      { reconciler: this.name, work: workId(work), error, ...facts },
      "will retry",
    );
  }

  #tellWaiters(id: string): void {
    // Changed again while it was under way: not done yet.
    if (this.#backlog.has(id)) return;
    for (const { missing, resolve } of this.#waiters)
      if (missing.delete(id) && missing.size === 0) resolve();
  }
}
