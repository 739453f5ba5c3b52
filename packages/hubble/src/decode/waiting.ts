// Events whose rule has no name yet. A rule is told of before the kernel can name it, but by another way: what overtakes it
// waits a little, rather than going out without the policy that caused it.

/** An event that waits: a copy, for the ring's memory is not its own. */
export type WaitingRecord = {
  readonly bytes: Uint8Array;
  readonly rule: number;
  /** Until when, performance.now(). */
  readonly untilMs: number;
};

/** Longest wait, and most that wait at once. */
const patienceMs = 300;
const capacity = 8_192;

export class WaitingRecords {
  readonly #now: () => number;
  #records: WaitingRecord[] = [];

  /** @param now milliseconds, of a clock that does not jump */
  constructor(now: () => number) {
    this.#now = now;
  }

  get size(): number {
    return this.#records.length;
  }

  /** False when too many wait already. */
  add(rule: number, record: Uint8Array): boolean {
    if (this.#records.length >= capacity) return false;
    this.#records.push({ bytes: record.slice(), rule, untilMs: this.#now() + patienceMs });
    return true;
  }

  /** Numbers of the rules that are waited for. */
  rules(): number[] {
    return [...new Set(this.#records.map(({ rule }) => rule))];
  }

  /** Takes those that need not wait any longer, in the order in which they came. */
  take(isKnown: (rule: number) => boolean): WaitingRecord[] {
    if (this.#records.length === 0) return [];
    const now = this.#now();
    const { ready = [], waiting = [] } = Object.groupBy(this.#records, ({ rule, untilMs }) =>
      untilMs <= now || isKnown(rule) ? "ready" : "waiting",
    );
    this.#records = waiting;
    return ready;
  }
}
