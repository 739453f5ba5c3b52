// Keys that have to be decided anew, in the order in which they became stale, and who waits until they have been.

export type StaleKey = {
  readonly key: string;
  /** Grows with every key that becomes stale. */
  readonly sequence: number;
  /** When it became stale, by performance.now(). */
  readonly sinceMs: number;
};

type Waiter = { readonly sequence: number; readonly resolve: () => void };

export class Worklist {
  readonly #stale = new Map<string, StaleKey>();
  /** Taken, and not in the kernel yet: on their way, or refused by it. */
  readonly #owed = new Map<string, StaleKey>();
  readonly #waiters = new Set<Waiter>();
  #sequence = 0;

  get staleSize(): number {
    return this.#stale.size;
  }

  get owedSize(): number {
    return this.#owed.size;
  }

  /** Keys on their way, or refused. */
  get owed(): Iterable<StaleKey> {
    return this.#owed.values();
  }

  /** A key that is stale already keeps its turn. */
  mark(key: string): void {
    if (this.#stale.has(key)) return;
    const sequence = ++this.#sequence;
    this.#stale.set(key, { key, sequence, sinceMs: performance.now() });
  }

  /** The next key, which is owed from now on; of one that is owed already, since the first time. */
  take(): StaleKey | undefined {
    const next = this.#stale.values().next().value;
    if (!next) return undefined;
    this.#stale.delete(next.key);
    const owed = this.#owed.get(next.key) ?? next;
    this.#owed.set(next.key, owed);
    return owed;
  }

  /** The kernel has what was decided of it. */
  done({ key }: StaleKey): void {
    this.#owed.delete(key);
  }

  /** Marks all owed keys as stale again, behind those that are. */
  markOwed(): void {
    for (const key of this.#owed.keys()) this.mark(key);
  }

  /** Resolves when all keys that are stale or owed now are done. @throws the signal's reason */
  settled(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const finish = () => {
        this.#waiters.delete(waiter);
        signal.removeEventListener("abort", fail);
      };
      const waiter: Waiter = {
        sequence: this.#sequence,
        resolve: () => {
          finish();
          resolve();
        },
      };
      const fail = () => {
        finish();
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", fail, { once: true });
      this.#waiters.add(waiter);
      this.release();
    });
  }

  /** Lets those go on whose keys are done. */
  release(): void {
    if (this.#waiters.size === 0) return;
    const first = this.#firstSequence();
    for (const waiter of this.#waiters) if (waiter.sequence < first) waiter.resolve();
  }

  #firstSequence(): number {
    // Stale keys are in order, owed ones are few.
    const stale = this.#stale.values().next().value?.sequence ?? Infinity;
    return [...this.#owed.values()].reduce(
      (least, { sequence }) => Math.min(least, sequence),
      stale,
    );
  }
}
