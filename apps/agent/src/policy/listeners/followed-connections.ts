// Connections on their way to proxies that are to hold them to other rules: policy counts as applied when the proxies have
// said that they do, or after a while in which they did not.
import type { MovedConnection } from "@tsilium/proxy/model.ts";
import type { Condition } from "../model.ts";

export type Batch = { readonly number: number; readonly connections: readonly MovedConnection[] };

/** Told, and not acknowledged. */
type Pending = {
  readonly since: number;
  readonly count: number;
  /** The last input that does not depend on it. */
  readonly before: number;
};

/**
 * Longer than the main thread takes to be sure: a proxy has 10 s to take its rules, then 5 s to take the connections, and is
 * ended if it does not (../../proxy/seat.ts).
 */
const patienceMs = 20_000;

export class FollowedConnections {
  readonly #now: () => number;
  readonly #untold: Batch[] = [];
  /** By the number of their batch, oldest first. */
  readonly #pending = new Map<number, Pending>();
  #last = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param before the last input that counts as applied whatever becomes of these */
  add(connections: readonly MovedConnection[], before: number): void {
    const count = connections.length;
    if (count === 0) return;
    const number = ++this.#last;
    this.#untold.push({ number, connections });
    this.#pending.set(number, { since: this.#now(), count, before });
  }

  /** Each once. */
  take(): Batch[] {
    return this.#untold.splice(0);
  }

  acknowledge(number: number): void {
    this.#pending.delete(number);
  }

  get isWaiting(): boolean {
    return this.#waitedFor().length > 0;
  }

  /** The last input that no connection on its way depends on; undefined: none is on its way. */
  get before(): number | undefined {
    const waited = this.#waitedFor();
    return waited.length === 0 ? undefined : Math.min(...waited.map(({ before }) => before));
  }

  /** Milliseconds until a batch is not waited for any longer; undefined: none is. */
  get waitMs(): number | undefined {
    const [first] = this.#waitedFor();
    return first && first.since + patienceMs - this.#now();
  }

  conditions(): Condition[] {
    const count = this.#waitedFor().reduce((sum, pending) => sum + pending.count, 0);
    if (count === 0) return [];
    const reason = `no proxy has said yet that ${count} of its connections follow their new rules`;
    return [{ kind: "connections", name: "connections", reason, waiting: true }];
  }

  #waitedFor(): Pending[] {
    for (const [number, { since }] of this.#pending)
      if (this.#now() - since >= patienceMs) this.#pending.delete(number);
    return [...this.#pending.values()];
  }
}
