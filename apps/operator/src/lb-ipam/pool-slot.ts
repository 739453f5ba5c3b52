// A pool at work: where its next free address may be, and how many it has.
import type { Address, Family } from "@tsilium/net";
import type { Pool, PoolRange, PoolState } from "./model.ts";
import { contains, type IpRange, sizeOf } from "./range.ts";
import type { ReservedAddresses } from "./reserved.ts";

/** What tells a free address from others. */
export type Occupancy = {
  /** Addresses that services have. */
  readonly held: Readonly<Record<Family, ReadonlyMap<bigint, unknown>>>;
  readonly reserved: ReservedAddresses;
};

export class RangeSlot {
  readonly range: PoolRange;
  /** What of it may be given. */
  readonly #open: IpRange;
  /** What of that is reserved in one piece, in order. */
  readonly #blocked: readonly IpRange[];
  /** No address below it is free. */
  #cursor: bigint;
  #usedOpen = 0n;
  #usedEnds = 0n;
  /** Addresses that are reserved by themselves. */
  #blockedSingles = 0n;

  constructor(range: PoolRange, { held, reserved }: Occupancy) {
    const ends = range.endsReserved ? 1n : 0n;
    this.range = range;
    this.#open = { ...range, first: range.first + ends, last: range.last - ends };
    this.#blocked = reserved.runsWithin(this.#open);
    this.#cursor = this.#open.first;
    for (const number of held[range.family].keys()) this.#countHeld(number, 1n);
    for (const number of reserved.singles(range.family)) this.#countReserved(number, 1n);
  }

  /** Whether it is one of those that may be given, held or not. */
  offers(address: Address): boolean {
    return contains(this.#open, address);
  }

  /** The lowest free address. Its cost follows what was given since the last call, not the range's size. */
  nextFree({ held, reserved }: Occupancy): bigint | undefined {
    const { family, last } = this.#open;
    let number = this.#cursor;
    for (let run = 0; number <= last;) {
      const block = this.#blocked[run];
      if (block && number > block.last) run += 1;
      else if (block && number >= block.first) number = block.last + 1n;
      else if (held[family].has(number) || reserved.isSingle(family, number)) number += 1n;
      else break;
    }
    this.#cursor = number;
    return number <= last ? number : undefined;
  }

  /** An address, of any range, is somebody's now (1), or nobody's any more (-1). */
  heldBy(address: Address, change: 1n | -1n): void {
    if (address.family !== this.range.family) return;
    this.#countHeld(address.toBigInt(), change);
    if (change === -1n) this.#reopen(address.toBigInt());
  }

  /** An address, of any range, is reserved by itself now (1), or is so no more (-1). */
  reservedBy(address: Address, change: 1n | -1n): void {
    if (address.family !== this.range.family) return;
    this.#countReserved(address.toBigInt(), change);
    if (change === -1n) this.#reopen(address.toBigInt());
  }

  get counts(): { readonly total: bigint; readonly used: bigint; readonly available: bigint } {
    const open = sizeOf(this.#open);
    const runs = this.#blocked.reduce((sum, run) => sum + sizeOf(run), 0n);
    return {
      // An end that was given before ends were reserved is still its.
      total: open + this.#usedEnds,
      used: this.#usedOpen + this.#usedEnds,
      available: open - this.#usedOpen - runs - this.#blockedSingles,
    };
  }

  #isOpen(number: bigint): boolean {
    return number >= this.#open.first && number <= this.#open.last;
  }

  #countHeld(number: bigint, change: bigint): void {
    if (this.#isOpen(number)) this.#usedOpen += change;
    else if (number === this.range.first || number === this.range.last) this.#usedEnds += change;
  }

  #countReserved(number: bigint, change: bigint): void {
    const isBlocked = this.#blocked.some((run) => number >= run.first && number <= run.last);
    if (this.#isOpen(number) && !isBlocked) this.#blockedSingles += change;
  }

  #reopen(number: bigint): void {
    if (this.#isOpen(number) && number < this.#cursor) this.#cursor = number;
  }
}

export type PoolSlot = {
  readonly pool: Pool;
  readonly ranges: readonly RangeSlot[];
  /** Why it gives nothing. */
  readonly conflict: string | undefined;
};

/** Whether it gives anything new. */
export function isGiving({ pool, conflict }: PoolSlot): boolean {
  return !pool.disabled && conflict === undefined;
}

export function holds({ ranges }: PoolSlot, address: Address): boolean {
  return ranges.some(({ range }) => contains(range, address));
}

export function stateOf({ pool, ranges, conflict }: PoolSlot): PoolState {
  let [total, used, available] = [0n, 0n, 0n];
  for (const { counts } of ranges) {
    total += counts.total;
    used += counts.used;
    available += counts.available;
  }
  return { pool, conflict, total, used, available };
}
