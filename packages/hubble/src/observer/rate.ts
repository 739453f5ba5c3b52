// How many flows a second there were, over the last minute.

const seconds = 60;

export class FlowRate {
  readonly #startedMs: number;
  /** Of second s at s % 60; `#second` is the newest that counts. */
  readonly #counts = new Float64Array(seconds);
  #second: number;

  constructor(nowMs: number) {
    this.#startedMs = nowMs;
    this.#second = Math.floor(nowMs / 1000);
  }

  add(count: number, nowMs: number): void {
    this.#advance(nowMs);
    this.#counts[this.#second % seconds]! += count;
  }

  /** Flows a second; 0 before there is anything to divide by. */
  perSecond(nowMs: number): number {
    this.#advance(nowMs);
    const elapsed = Math.min(seconds, (nowMs - this.#startedMs) / 1000);
    return elapsed <= 0 ? 0 : this.#counts.reduce((sum, count) => sum + count, 0) / elapsed;
  }

  /** A clock that was set back stays in the second that it was. */
  #advance(nowMs: number): void {
    const now = Math.floor(nowMs / 1000);
    if (now - this.#second >= seconds) this.#counts.fill(0);
    else
      for (let second = this.#second + 1; second <= now; second++)
        this.#counts[second % seconds] = 0;
    this.#second = Math.max(this.#second, now);
  }
}
