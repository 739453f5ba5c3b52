// The addresses of one family in the node's pod CIDRs, and who has them. Pure: time is an argument.
//
// A freed address rests: peers, resolvers and connection tracking may still take it for the pod that had it.
// So allocation goes round the pool, passes over addresses freed a short time ago, and takes the one that
// has rested longest only when nothing else is left.
import type { Address, Family, Prefix } from "@tsilium/net";
import { IpamError } from "./errors.ts";
import type { PoolUsage } from "./model.ts";

export type FamilyPoolOptions = {
  readonly family: Family;
  /** In the order in which they are used up; those of another family are an error of the caller. */
  readonly podCidrs: readonly Prefix[];
  /** How long a freed address rests, milliseconds. */
  readonly restMs: number;
};

/** First and last usable address of a prefix, as offsets in the pool's own numbering. */
type Range = { readonly prefix: Prefix; readonly first: Address; readonly size: bigint };

export class FamilyPool {
  readonly #options: FamilyPoolOptions;
  readonly #ranges: readonly Range[];
  readonly #size: bigint;
  readonly #owners = new Map<string, string>();
  /** When an address was freed, oldest first. */
  readonly #resting = new Map<string, { readonly address: Address; readonly freedAtMs: number }>();
  #next = 0n;

  constructor(options: FamilyPoolOptions) {
    this.#options = options;
    this.#ranges = options.podCidrs.map(usable);
    this.#size = this.#ranges.reduce((sum, { size }) => sum + size, 0n);
  }

  /** The next free address. @throws IpamError pool_exhausted */
  allocateNext(owner: string, nowMs: number): Address {
    this.#wakeRested(nowMs);
    const address = this.#nextUnused() ?? this.#longestResting();
    if (!address) throw this.#exhausted();
    this.#take(address, owner);
    return address;
  }

  /** This very address. @throws IpamError address_in_use, not_in_pool */
  allocate(address: Address, owner: string): void {
    if (!this.#holds(address)) throw notInPool(address, this.#options.podCidrs);
    const holder = this.#owners.get(address.toString());
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

  ownerOf(address: Address): string | undefined {
    return this.#owners.get(address.toString());
  }

  usage(): PoolUsage {
    const { family, podCidrs } = this.#options;
    const used = this.#owners.size;
    return { family, podCidrs, used, available: this.#size - BigInt(used) };
  }

  #take(address: Address, owner: string): void {
    const key = address.toString();
    this.#resting.delete(key);
    this.#owners.set(key, owner);
  }

  #nextUnused(): Address | undefined {
    // One more try than there are addresses to pass over finds a free one, if there is any.
    const passedOver = BigInt(this.#owners.size + this.#resting.size) + 1n;
    const tries = passedOver < this.#size ? passedOver : this.#size;
    for (let tried = 0n; tried < tries; tried++) {
      const address = this.#at((this.#next + tried) % this.#size);
      const key = address.toString();
      if (this.#owners.has(key) || this.#resting.has(key)) continue;
      this.#next = (this.#next + tried + 1n) % this.#size;
      return address;
    }
    return undefined;
  }

  #longestResting(): Address | undefined {
    const [oldest] = this.#resting.values();
    return oldest?.address;
  }

  #wakeRested(nowMs: number): void {
    for (const [key, { freedAtMs }] of this.#resting) {
      if (nowMs - freedAtMs < this.#options.restMs) return;
      this.#resting.delete(key);
    }
  }

  #at(index: bigint): Address {
    let rest = index;
    for (const { first, size } of this.#ranges) {
      if (rest < size) return first.add(rest);
      rest -= size;
    }
    throw new RangeError(`no address number ${index} in a pool of ${this.#size}`);
  }

  #holds(address: Address): boolean {
    return this.#ranges.some(({ prefix, first, size }) => {
      if (!prefix.contains(address)) return false;
      const offset = address.toBigInt() - first.toBigInt();
      return offset >= 0n && offset < size;
    });
  }

  #exhausted(): IpamError {
    const { family, podCidrs } = this.#options;
    const where = podCidrs.length === 0 ? "the node has no pod CIDR" : `in ${podCidrs.join(", ")}`;
    return new IpamError(
      "pool_exhausted",
      `no free IPv${family} address ${where} (${this.#owners.size} in use)`,
    );
  }
}

export function notInPool(address: Address, podCidrs: readonly Prefix[]): IpamError {
  const inside = podCidrs.some((prefix) => prefix.contains(address));
  const why = inside
    ? "is a network or broadcast address"
    : `is not in the node's pod CIDRs (${podCidrs.join(", ") || "none"})`;
  return new IpamError("not_in_pool", `${address} ${why}`);
}

/**
 * Neither the network address (in IPv6 the subnet-router anycast address, RFC 4291 2.6.1) nor IPv4's broadcast
 * address. Blocks of one or two addresses have neither (RFC 3021, RFC 6164).
 */
function usable(prefix: Prefix): Range {
  if (prefix.size <= 2n) return { prefix, first: prefix.first, size: prefix.size };
  const kept = prefix.family === 4 ? 2n : 1n;
  return { prefix, first: prefix.nth(1), size: prefix.size - kept };
}
