// One at a time per key: CNI commands for the same attachment wait for each other, all others run side by side.

export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` once everything that was asked for under this key before has ended, however it ended. */
  async take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const mine = (before ?? Promise.resolve()).then(work, work);
    const settled = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(key, settled);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    }
  }

  /** Keys with work under way or waiting. */
  get size(): number {
    return this.#last.size;
  }
}
