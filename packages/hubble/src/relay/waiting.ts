// Waiting that can be cut short.

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
