// What the agent was told of names and has acknowledged: answers that say nothing new need not wait for it.
import type { Answer } from "../message/read-answer.ts";

type Addresses = Answer["addresses"];

type Known = {
  /** Address -> until when the agent keeps it (milliseconds); as told. */
  readonly untilMs: Map<string, number>;
  /** Who is known to have asked, and when that was told last. */
  readonly clients: Map<string, number>;
};

/** An answer repeated within this time is not told again; what is told is longer by as much. */
export const repeatS = 1;

/** The agent may have let go of an address before its time: it is told again so often at least. */
const retellMs = 15_000;

const maxNames = 16_384;
const maxAddressesPerName = 4_096;
/** Of all names. */
const maxAddresses = 131_072;
const maxClientsPerName = 1_024;

/** "new": to be held and told; "renewed": to be told; "known": neither. */
export type Novelty = "new" | "renewed" | "known";

export class KnownNames {
  readonly #names = new Map<string, Known>();
  #addresses = 0;

  get size(): number {
    return this.#names.size;
  }

  /** What an answer is to the agent. Without addresses there is nothing to tell. */
  noveltyOf(name: string, addresses: Addresses, asked: { client: string; nowMs: number }): Novelty {
    if (addresses.length === 0) return "known";
    const known = this.#names.get(name);
    if (!known) return "new";
    let renewed = asked.nowMs - (known.clients.get(asked.client) ?? -Infinity) > retellMs;
    for (const { address, ttlS } of addresses) {
      const untilMs = known.untilMs.get(address);
      if (untilMs === undefined || untilMs <= asked.nowMs) return "new";
      renewed ||= asked.nowMs + ttlS * 1_000 > untilMs;
    }
    return renewed ? "renewed" : "known";
  }

  /** The agent has these addresses for as long as it was told. */
  acknowledge(name: string, addresses: Addresses, told: { client: string; atMs: number }): void {
    const known = this.#take(name);
    const before = known.untilMs.size;
    for (const { address, ttlS } of addresses) {
      const untilMs = told.atMs + (ttlS + repeatS) * 1_000;
      known.untilMs.set(address, Math.max(untilMs, known.untilMs.get(address) ?? 0));
    }
    if (known.untilMs.size > maxAddressesPerName) dropExpired(known.untilMs, told.atMs);
    if (known.clients.size < maxClientsPerName || known.clients.has(told.client))
      known.clients.set(told.client, told.atMs);
    this.#addresses += known.untilMs.size - before;
    this.#bound(name);
  }

  /** Another agent knows nothing of what this one was told. */
  forget(): void {
    this.#names.clear();
    this.#addresses = 0;
  }

  /** The oldest go when there are too many, or those that are left have too many addresses. */
  #bound(newest: string): void {
    for (const [name, { untilMs }] of this.#names) {
      if (this.#names.size <= maxNames && this.#addresses <= maxAddresses) return;
      if (name === newest) return;
      this.#names.delete(name);
      this.#addresses -= untilMs.size;
    }
  }

  /** The entry, made the newest. */
  #take(name: string): Known {
    const known = this.#names.get(name) ?? { untilMs: new Map(), clients: new Map() };
    this.#names.delete(name);
    this.#names.set(name, known);
    return known;
  }
}

function dropExpired(untilMs: Map<string, number>, nowMs: number): void {
  for (const [address, until] of untilMs) if (until <= nowMs) untilMs.delete(address);
  // None has expired: all are to be told anew.
  if (untilMs.size > maxAddressesPerName) untilMs.clear();
}
