// The addresses of one family of one pool that this node may hand out, and who has them. Pure: time is an argument.
//
// A freed address rests: peers, resolvers and connection tracking may still take it for the pod that had it.
// So allocation goes round the pool, passes over addresses freed a short time ago, and takes the one that
// has rested longest only when nothing else is left.
import type { Address, Family, Prefix } from "@tsilium/net";
import { IpamError } from "./errors.ts";
import type { PoolUsage } from "./model.ts";
import { Ranges } from "./ranges.ts";

export type FamilyPoolOptions = {
  readonly pool: string;
  readonly family: Family;
  /** How long a freed address rests, milliseconds. */
  readonly restMs: number;
  /** Who outside this node has an address, as far as anybody here knows: it is passed over. */
  readonly takenElsewhere: (address: Address) => string | undefined;
};

export class FamilyPool {
  readonly #options: FamilyPoolOptions;
  #ranges = new Ranges([]);
  readonly #owners = new Map<string, { readonly address: Address; readonly owner: string }>();
  /** When an address was freed, oldest first. */
  readonly #resting = new Map<string, { readonly address: Address; readonly freedAtMs: number }>();
  #next = 0n;

  constructor(options: FamilyPoolOptions) {
    this.#options = options;
  }

  /** In the order in which they are used up. Who has an address that is in none any more keeps it. */
  setRanges(prefixes: readonly Prefix[]): void {
    this.#ranges = new Ranges(prefixes);
    if (this.#next >= this.#ranges.size) this.#next = 0n;
  }

  get prefixes(): readonly Prefix[] {
    return this.#ranges.prefixes;
  }

  /** The next free address; undefined when there is none. */
  allocateNext(owner: string, nowMs: number): Address | undefined {
    this.#wakeRested(nowMs);
    const address = this.#nextUnused() ?? this.#longestResting();
    if (address) this.#take(address, owner);
    return address;
  }

  /** This very address. @throws IpamError address_in_use, not_in_pool */
  allocate(address: Address, owner: string): void {
    if (!this.#ranges.has(address)) throw notInPool(address, this.prefixes);
    this.hold(address, owner);
  }

  /** This very address, in a range or not. @throws IpamError address_in_use */
  hold(address: Address, owner: string): void {
    const holder = this.ownerOf(address);
    if (holder !== undefined)
      throw new IpamError("address_in_use", `${address} is in use by ${holder}`);
    this.#take(address, owner);
  }

  /** Frees an address. False when nobody had it. */
  release(address: Address, nowMs: number): boolean {
    const key = address.toString();
    if (!this.#owners.delete(key)) return false;
    this.#resting.delete(key);
    this.#resting.set(key, { address, freedAtMs: nowMs });
    return true;
  }

  /** As if nobody had ever had it here. */
  forget(address: Address): void {
    this.#owners.delete(address.toString());
  }

  has(address: Address): boolean {
    return this.#ranges.has(address);
  }

  ownerOf(address: Address): string | undefined {
    return this.#owners.get(address.toString())?.owner;
  }

  /** Everybody who has an address. */
  owners(): Iterable<{ readonly address: Address; readonly owner: string }> {
    return this.#owners.values();
  }

  usage(): PoolUsage {
    const { pool, family } = this.#options;
    let inRange = 0n;
    for (const { address } of this.#owners.values()) if (this.#ranges.has(address)) inRange++;
    const available = this.#ranges.size - inRange;
    return { pool, family, podCidrs: this.prefixes, used: this.#owners.size, available };
  }

  #take(address: Address, owner: string): void {
    const key = address.toString();
    this.#resting.delete(key);
    this.#owners.set(key, { address, owner });
  }

  #nextUnused(): Address | undefined {
    const { size } = this.#ranges;
    // One more try than there are addresses to pass over finds a free one, if there is any.
    let passedOver = BigInt(this.#owners.size + this.#resting.size) + 1n;
    for (let tried = 0n; tried < passedOver && tried < size; tried++) {
      const address = this.#ranges.at((this.#next + tried) % size);
      const key = address.toString();
      if (this.#owners.has(key) || this.#resting.has(key)) continue;
      if (this.#options.takenElsewhere(address) !== undefined) {
        passedOver++;
        continue;
      }
      this.#next = (this.#next + tried + 1n) % size;
      return address;
    }
    return undefined;
  }

  #longestResting(): Address | undefined {
    for (const { address } of this.#resting.values())
      if (this.#ranges.has(address) && this.#options.takenElsewhere(address) === undefined)
        return address;
    return undefined;
  }

  #wakeRested(nowMs: number): void {
    for (const [key, { freedAtMs }] of this.#resting) {
      if (nowMs - freedAtMs < this.#options.restMs) return;
      this.#resting.delete(key);
    }
  }
}

export function notInPool(address: Address, prefixes: readonly Prefix[]): IpamError {
  const inside = prefixes.some((prefix) => prefix.contains(address));
  const why = inside
    ? "is a network or broadcast address"
    : `is not in the node's pod CIDRs (${prefixes.join(", ") || "none"})`;
  return new IpamError("not_in_pool", `${address} ${why}`);
}
