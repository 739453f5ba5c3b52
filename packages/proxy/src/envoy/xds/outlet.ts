// Messages from callbacks to an async iteration. What it holds is bounded by who pushes: a client is sent one answer a
// kind at a time, but for changes, and each of those replaces what is not read yet.

export class Outlet<T> implements AsyncIterable<T> {
  readonly #waiting: T[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  push(message: T): void {
    this.#waiting.push(message);
    this.#wake?.();
  }

  /** What was pushed before is still read. Idempotent. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        yield next;
        continue;
      }
      if (this.#ended) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
  }
}
