// Waiting for something to be true that is looked at whenever there is news.

export class Waiters {
  readonly #waiting = new Set<() => void>();

  /** Resolves when it holds, now or after some `wake`. @throws the signal's reason */
  until(holds: () => boolean, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (holds()) return Promise.resolve();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = () => {
      if (holds()) resolve();
    };
    const fail = () => reject(signal.reason as Error);
    this.#waiting.add(look);
    signal.addEventListener("abort", fail, { once: true });
    return promise.finally(() => {
      this.#waiting.delete(look);
      signal.removeEventListener("abort", fail);
    });
  }

  /** There is news. */
  wake(): void {
    for (const look of this.#waiting) look();
  }
}
