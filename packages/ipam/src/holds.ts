// Pairs that were handed out and not confirmed yet, each with its timer.
import { randomUUID } from "node:crypto";
import type { Address } from "@tsilium/net";
import type { AddressPair, ExpiringPair } from "./model.ts";

type Held = { readonly pair: ExpiringPair; readonly timer: NodeJS.Timeout };

/** Disposing stops all timers. */
export class Holds implements Disposable {
  readonly #held = new Map<string, Held>();
  readonly #expirationMs: number;
  readonly #onExpired: (pair: ExpiringPair) => void;

  constructor(expirationMs: number, onExpired: (pair: ExpiringPair) => void) {
    this.#expirationMs = expirationMs;
    this.#onExpired = onExpired;
  }

  /** Starts the time of a pair. */
  hold(addresses: readonly Address[], owner: string): ExpiringPair {
    const pair: ExpiringPair = {
      ipv4: addresses.find(({ family }) => family === 4),
      ipv6: addresses.find(({ family }) => family === 6),
      owner,
      expirationId: randomUUID(),
      expiresAtMs: Date.now() + this.#expirationMs,
    };
    const expire = () => {
      if (this.#held.delete(pair.expirationId)) this.#onExpired(pair);
    };
    const timer = setTimeout(expire, this.#expirationMs).unref();
    this.#held.set(pair.expirationId, { pair, timer });
    return pair;
  }

  /** Ends the time of a pair. False when it was over already. */
  end(expirationId: string): boolean {
    const held = this.#held.get(expirationId);
    if (!held) return false;
    clearTimeout(held.timer);
    return this.#held.delete(expirationId);
  }

  /** Ends the time of the pair that an address is of, and answers that pair. */
  endOf(address: Address): AddressPair | undefined {
    for (const [id, { pair }] of this.#held) {
      if (!pair.ipv4?.equals(address) && !pair.ipv6?.equals(address)) continue;
      this.end(id);
      return pair;
    }
    return undefined;
  }

  pairs(): ExpiringPair[] {
    return [...this.#held.values()].map(({ pair }) => pair);
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.#held.values()) clearTimeout(timer);
    this.#held.clear();
  }
}
