// The newest flows, in the order of their arrival, each with its encoded form once somebody wanted it.
import type { Flow } from "../model.ts";

export class FlowRing {
  /** How many flows it holds at most. */
  readonly capacity: number;
  readonly #mask: number;
  readonly #flows: (Flow | undefined)[];
  readonly #encoded: (Uint8Array | undefined)[];
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
    this.#encoded = Array.from({ length: capacity + 1 }, () => undefined);
  }

  get size(): number {
    return Math.min(this.#pushed, this.capacity);
  }

  get newest(): Flow | undefined {
    return this.#newest;
  }

  /** Overwrites the oldest flow if there is no room. */
  push(flow: Flow): void {
    const place = this.#pushed & this.#mask;
    this.#flows[place] = flow;
    this.#encoded[place] = undefined;
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

  /** `encode(flow)`, done once for each flow that is still in the ring. */
  encodedOf(flow: Flow, encode: (flow: Flow) => Uint8Array): Uint8Array {
    const place = this.#placeOf(flow);
    if (place === undefined) return encode(flow);
    return (this.#encoded[place] ??= encode(flow));
  }

  /** Sequences grow by one from flow to flow; where one was left out, the guess is wrong and the flow counts as gone. */
  #placeOf(flow: Flow): number | undefined {
    if (!this.#newest) return undefined;
    const place = (this.#pushed - 1 - (this.#newest.sequence - flow.sequence)) & this.#mask;
    return this.#flows[place] === flow ? place : undefined;
  }
}
