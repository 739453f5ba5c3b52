// A range of service addresses: membership, and a free one at random.
import { Address, Prefix } from "@tsilium/net";

/** How many addresses at random are tried before the range is searched from its start. */
const randomTries = 16;

/** Addresses that are not free; `size`: at most so many. */
export type UsedAddresses = {
  readonly has: (address: string) => boolean;
  readonly size: number;
};

function staticCount(size: bigint): bigint {
  if (size <= 32n) return 1n;
  const sixteenth = size / 16n;
  return sixteenth < 16n ? 16n : sixteenth > 256n ? 256n : sixteenth;
}

export class AddressRange {
  readonly text: string;
  readonly family: "IPv4" | "IPv6";
  readonly #prefix: Prefix;

  private constructor(prefix: Prefix) {
    this.#prefix = prefix;
    this.text = prefix.toString();
    this.family = prefix.family === 4 ? "IPv4" : "IPv6";
  }

  /** @throws AddressError for what is no prefix. */
  static parse(text: string): AddressRange {
    return new AddressRange(Prefix.parse(text));
  }

  contains(address: string): boolean {
    const parsed = Address.tryParse(address);
    return parsed !== undefined && this.#prefix.contains(parsed);
  }

  /** The one spelling under which an address is stored and compared. */
  canonical(address: string): string {
    return Address.parse(address).toString();
  }

  /**
   * A free address, neither the first nor the last of the range, or undefined when all are used. Some at its start,
   * as many as Kubernetes leaves (KEP-3070), are left for those who ask for one by name while others are free.
   */
  pick(used: UsedAddresses): string | undefined {
    const last = this.#prefix.size - 2n;
    const low = staticCount(this.#prefix.size);
    for (let attempt = 0; attempt < randomTries; attempt++) {
      const span = last - low + 1n;
      const bounded = span > 0xffff_ffffn ? 0xffff_ffffn : span;
      const candidate = this.#nth(low + BigInt(Math.floor(Math.random() * Number(bounded))));
      if (!used.has(candidate)) return candidate;
    }
    // At most one more than are used can be taken, so this ends soon even in an IPv6 range.
    for (let index = 1n; index <= last && index <= BigInt(used.size) + 1n; index++) {
      const candidate = this.#nth(index);
      if (!used.has(candidate)) return candidate;
    }
    return undefined;
  }

  #nth(index: bigint): string {
    return this.#prefix.nth(index).toString();
  }
}
