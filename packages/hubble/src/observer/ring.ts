// The newest flows, in the order of their arrival.
import type { Flow } from "../model.ts";

export class FlowRing {
  /** How many flows it holds at most. */
  readonly capacity: number;
  readonly #mask: number;
  readonly #flows: (Flow | undefined)[];
  /** Flows ever pushed; the next one's place, before the mask. */
  #pushed = 0;
  #newest: Flow | undefined;

  /** @param capacity 2^n - 1, as Cilium's hubble-event-buffer-capacity @throws RangeError for another number */
  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1 || (capacity & (capacity + 1)) !== 0)
      throw new RangeError(`the capacity of a ring is 2^n - 1 (1, 3, ..., 4095), not ${capacity}`);
    this.capacity = capacity;
    this.#mask = capacity;
    this.#flows = Array.from({ length: capacity + 1 }, () => undefined);
  }

  get size(): number {
    return Math.min(this.#pushed, this.capacity);
  }

  get newest(): Flow | undefined {
    return this.#newest;
  }

  /** Overwrites the oldest flow if there is no room. */
  push(flow: Flow): void {
    this.#flows[this.#pushed & this.#mask] = flow;
    this.#newest = flow;
    this.#pushed++;
  }

  /** All flows, oldest first: a copy. */
  toArray(): Flow[] {
    const end = this.#pushed & this.#mask;
    const begin = (this.#pushed - this.size) & this.#mask;
    const flows = this.#flows as Flow[];
    if (this.size === 0 || begin < end) return flows.slice(begin, end);
    return [...flows.slice(begin), ...flows.slice(0, end)];
  }
}
