// Prefixes as one numbered row of addresses that may be handed out. Pure.
import type { Address, Prefix } from "@tsilium/net";

/** First usable address of a prefix, and how many there are. */
type Range = { readonly prefix: Prefix; readonly first: Address; readonly size: bigint };

export class Ranges {
  readonly prefixes: readonly Prefix[];
  /** How many addresses may be handed out. */
  readonly size: bigint;
  readonly #all: readonly Range[];
  readonly #wide: readonly Range[];
  /** Modes that have single addresses have hundreds of them. */
  readonly #single: ReadonlySet<string>;

  constructor(prefixes: readonly Prefix[]) {
    this.prefixes = prefixes;
    this.#all = prefixes.map(usable);
    this.size = this.#all.reduce((sum, { size }) => sum + size, 0n);
    this.#wide = this.#all.filter(({ size }) => size > 1n);
    this.#single = new Set(
      this.#all.flatMap(({ first, size }) => (size === 1n ? [first.toString()] : [])),
    );
  }

  /** The address of a number below `size`. @throws RangeError beyond */
  at(index: bigint): Address {
    let rest = index;
    for (const { first, size } of this.#all) {
      if (rest < size) return first.add(rest);
      rest -= size;
    }
    throw new RangeError(`no address number ${index} in a pool of ${this.size}`);
  }

  /** Whether an address is one of those that may be handed out. */
  has(address: Address): boolean {
    if (this.#single.has(address.toString())) return true;
    return this.#wide.some(({ prefix, first, size }) => {
      if (!prefix.contains(address)) return false;
      const offset = address.toBigInt() - first.toBigInt();
      return offset >= 0n && offset < size;
    });
  }
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
