// What a reader of `Table.changes` has not taken yet: the last change of each key, oldest first.
import type { Change } from "./table.ts";

/** Collects changes and hands them out in batches. One reader. */
export class ChangeQueue<Row> {
  readonly #key: (row: Row) => string;
  readonly #signal: AbortSignal;
  #waiting = new Map<string, Change<Row>>();
  #wake: () => void = () => {};

  constructor(key: (row: Row) => string, signal: AbortSignal) {
    this.#key = key;
    this.#signal = signal;
  }

  /** Adds a change; one that is still waiting for the same key is folded into it. */
  push(change: Change<Row>): void {
    const key = this.#key(change.row);
    const earlier = this.#waiting.get(key);
    this.#waiting.delete(key);
    this.#waiting.set(key, earlier ? fold(earlier, change) : change);
    this.#wake();
  }

  /** Batches until the signal aborts; `subscription` is disposed of at the end, however it ends. */
  async *batches(subscription: Disposable): AsyncGenerator<Change<Row>[], void> {
    const stop = () => {
      subscription[Symbol.dispose]();
      this.#wake();
    };
    this.#signal.addEventListener("abort", stop, { once: true });
    try {
      while (!this.#signal.aborted) {
        if (this.#waiting.size === 0) {
          await new Promise<void>((resolve) => (this.#wake = resolve));
          continue;
        }
        const batch = [...this.#waiting.values()];
        this.#waiting = new Map();
        yield batch;
      }
    } finally {
      this.#signal.removeEventListener("abort", stop);
      stop();
    }
  }
}

/** Two changes of one key as one: the later row over what the earlier one replaced. */
function fold<Row>(earlier: Change<Row>, later: Change<Row>): Change<Row> {
  const previous = earlier.kind === "delete" ? earlier.row : earlier.previous;
  const { kind, row, revision } = later;
  return previous === undefined ? { kind, row, revision } : { kind, row, revision, previous };
}
