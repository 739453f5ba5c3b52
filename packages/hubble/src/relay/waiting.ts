// Waiting that can be cut short, and for how long.

const firstRetryMs = 100;
/** A node that starts is met within half of the time that it took; one that is gone costs less and less. */
const growth = 1.5;

/** Waits between attempts, each longer than the one before. */
export class Retries {
  readonly #longestMs: number;
  #nextMs = firstRetryMs;

  constructor(longestMs: number) {
    this.#longestMs = longestMs;
  }

  /** How long to wait now. */
  next(): number {
    const ms = Math.min(this.#nextMs, this.#longestMs);
    this.#nextMs = ms * growth;
    return ms;
  }

  /** An attempt was good: the next wait is a short one. */
  reset(): void {
    this.#nextMs = firstRetryMs;
  }
}

/** Resolves after `ms`, when `wake` of a `Bell` rings, or when the signal is aborted, whichever is first. */
export class Bell {
  #rung: (() => void) | undefined;

  ring(): void {
    this.#rung?.();
  }

  /** @param ms undefined: for as long as it takes */
  wait(ms: number | undefined, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#rung = undefined;
        resolve();
      };
      const timer = ms === undefined ? undefined : setTimeout(done, ms);
      signal.addEventListener("abort", done);
      this.#rung = done;
    });
  }
}
