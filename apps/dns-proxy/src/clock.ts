// Time, read twice a query: monotonic milliseconds, and UNIX time made of them (good to the microsecond, and corrected
// now and then, as the machine's clock is).

export class Clock {
  #offsetMs = 0;

  constructor() {
    this.correct();
  }

  /** Follows the machine's clock when it was set. */
  correct(): void {
    this.#offsetMs = Date.now() - performance.now();
  }

  unixMs(monotonicMs: number): number {
    return this.#offsetMs + monotonicMs;
  }

  /** Nanoseconds as text; a number holds microseconds of our age exactly, and not much more. */
  unixNsText(monotonicMs: number): string {
    return `${Math.floor(this.unixMs(monotonicMs) * 1_000)}000`;
  }
}
