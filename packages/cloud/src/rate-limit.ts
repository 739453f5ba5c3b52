// A token bucket: calls are let through at a rate, some at once after a rest.
import { setTimeout as sleep } from "node:timers/promises";

export class RateLimit {
  readonly #perMs: number;
  readonly #burst: number;
  readonly #now: () => number;
  #tokens: number;
  #filledAtMs: number;

  constructor(
    options: { readonly perSecond: number; readonly burst: number },
    now: () => number = Date.now,
  ) {
    this.#perMs = options.perSecond / 1000;
    this.#burst = Math.max(1, options.burst);
    this.#now = now;
    this.#tokens = this.#burst;
    this.#filledAtMs = now();
  }

  /** Milliseconds that the caller has to wait; its turn is taken by asking. */
  reserve(): number {
    const now = this.#now();
    this.#tokens = Math.min(
      this.#burst,
      this.#tokens + Math.max(0, now - this.#filledAtMs) * this.#perMs,
    );
    this.#filledAtMs = now;
    // Below zero are those who wait already.
    this.#tokens -= 1;
    return this.#tokens >= 0 ? 0 : -this.#tokens / this.#perMs;
  }

  /** A turn that is not taken after all. */
  giveBack(): void {
    this.#tokens += 1;
  }

  /** Resolves when it is the caller's turn. @throws the signal's reason */
  async turn(signal: AbortSignal): Promise<void> {
    const waitMs = this.reserve();
    if (waitMs > 0) await sleep(waitMs, undefined, { signal });
  }
}
