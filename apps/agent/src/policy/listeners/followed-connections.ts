// Connections on their way to proxies that are to hold them to other rules: policy counts as applied when the proxies have
// said that they do, or after a while in which they did not.
import type { MovedConnection } from "@tsilium/proxy/model.ts";

export type Batch = { readonly number: number; readonly connections: readonly MovedConnection[] };

const patienceMs = 2_000;

export class FollowedConnections {
  readonly #now: () => number;
  readonly #untold: Batch[] = [];
  /** When batches were made that nobody has acknowledged. */
  readonly #pending = new Map<number, number>();
  #last = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(connections: readonly MovedConnection[]): void {
    if (connections.length === 0) return;
    const number = ++this.#last;
    this.#untold.push({ number, connections });
    this.#pending.set(number, this.#now());
  }

  /** Each once. */
  take(): Batch[] {
    return this.#untold.splice(0);
  }

  acknowledge(number: number): void {
    this.#pending.delete(number);
  }

  get isWaiting(): boolean {
    return this.waitMs !== undefined;
  }

  /** Milliseconds until the last batch is not waited for any longer; undefined: none is. */
  get waitMs(): number | undefined {
    for (const [number, since] of this.#pending)
      if (this.#now() - since >= patienceMs) this.#pending.delete(number);
    const [last] = [...this.#pending.values()].slice(-1);
    return last === undefined ? undefined : last + patienceMs - this.#now();
  }
}
