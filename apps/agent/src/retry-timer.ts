// When what failed is tried again: after a delay that doubles with every attempt, until there is nothing left to try.

const leastMs = 50;
const defaultMostMs = 30_000;

export class RetryTimer implements Disposable {
  readonly #fire: () => void;
  readonly #mostMs: number;
  #delayMs = leastMs;
  #timer: NodeJS.Timeout | undefined;

  /** @param mostMs longest delay */
  constructor(fire: () => void, mostMs: number = defaultMostMs) {
    this.#fire = fire;
    this.#mostMs = mostMs;
  }

  /** Another attempt is owed; one that is due already is enough. */
  start(): void {
    if (this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#fire();
    }, this.#delayMs);
    this.#delayMs = Math.min(this.#delayMs * 2, this.#mostMs);
  }

  /** All is well. */
  reset(): void {
    this[Symbol.dispose]();
    this.#delayMs = leastMs;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
