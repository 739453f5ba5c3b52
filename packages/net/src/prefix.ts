// Address prefixes ("10.0.0.0/8") as immutable values: the network address and its length, no host bits.
import { Address, bitsOf, type Family } from "./address.ts";
import { AddressError } from "./errors.ts";

export type PrefixOptions = {
  /** Clear host bits instead of refusing them. */
  readonly mask?: boolean;
};

/** A block of addresses of one family. */
export class Prefix {
  /** The network address: the first of the block. */
  readonly address: Address;
  /** 0-32 or 0-128. */
  readonly length: number;

  private constructor(address: Address, length: number) {
    this.address = address;
    this.length = length;
  }

  /**
   * Reads "10.0.0.0/8" or "fd00::/8"; the length is required.
   * @throws AddressError prefix_invalid; prefix_host_bits for "10.0.0.1/8" unless `mask`
   */
  static parse(text: string, options: PrefixOptions = {}): Prefix {
    const [addressText, lengthText, ...rest] = text.split("/");
    const address = Address.tryParse(addressText ?? "");
    const isNumber = /^(0|[1-9][0-9]{0,2})$/.test(lengthText ?? "");
    if (!address || !isNumber || rest.length > 0)
      throw new AddressError("prefix_invalid", `not a prefix: ${JSON.stringify(text)}`);
    return Prefix.of(address, Number(lengthText), options);
  }

  /** The same, answering undefined for what is not a prefix (or has host bits). */
  static tryParse(text: string, options: PrefixOptions = {}): Prefix | undefined {
    try {
      return Prefix.parse(text, options);
    } catch (error) {
      if (error instanceof AddressError) return undefined;
      throw error;
    }
  }

  /** The prefix of one address: /32 or /128. */
  static host(address: Address): Prefix {
    return new Prefix(address, bitsOf(address.family));
  }

  /**
   * The prefix of this network address and length.
   * @throws AddressError prefix_invalid for a length the family has not; prefix_host_bits unless `mask`
   */
  static of(address: Address, length: number, options: PrefixOptions = {}): Prefix {
    if (!Number.isInteger(length) || length < 0 || length > bitsOf(address.family))
      throw new AddressError(
        "prefix_invalid",
        `no IPv${address.family} prefix has length ${length}`,
      );
    const network = maskBytes(address, length);
    if (!options.mask && !network.equals(address))
      throw new AddressError(
        "prefix_host_bits",
        `${address}/${length} has host bits: ${network}/${length} is the prefix`,
      );
    return new Prefix(network, length);
  }

  get family(): Family {
    return this.address.family;
  }

  /** How many addresses the block holds. */
  get size(): bigint {
    return 1n << BigInt(bitsOf(this.family) - this.length);
  }

  /** The block's lowest address, which is the network address. */
  get first(): Address {
    return this.address;
  }

  /** The block's highest address (IPv4's broadcast address of a subnet). */
  get last(): Address {
    return this.nth(this.size - 1n);
  }

  /** Whether this is a single address. */
  get isHost(): boolean {
    return this.length === bitsOf(this.family);
  }

  /** Whether an address, or the whole of another prefix, lies inside. Never across families. */
  contains(other: Address | Prefix): boolean {
    if (other instanceof Prefix) return other.length >= this.length && this.contains(other.address);
    if (other.family !== this.family) return false;
    const whole = this.length >> 3;
    for (let index = 0; index < whole; index++)
      if (this.address.bytes[index] !== other.bytes[index]) return false;
    const rest = this.length & 7;
    if (rest === 0) return true;
    const difference = (this.address.bytes[whole] as number) ^ (other.bytes[whole] as number);
    return difference >> (8 - rest) === 0;
  }

  /** Whether the two share an address: one contains the other. */
  overlaps(other: Prefix): boolean {
    return this.contains(other) || other.contains(this);
  }

  /** The address at `index`, counted from 0. @throws AddressError address_out_of_range outside the block */
  nth(index: bigint | number): Address {
    const offset = BigInt(index);
    if (offset < 0n || offset >= this.size)
      throw new AddressError("address_out_of_range", `${this} has no address number ${offset}`);
    return this.address.add(offset);
  }

  /** The blocks of `length` bits inside, in order, lazily. @throws AddressError prefix_invalid for a shorter length */
  *subnets(length: number): Iterable<Prefix> {
    if (length < this.length || length > bitsOf(this.family))
      throw new AddressError("prefix_invalid", `${this} has no subnets of length ${length}`);
    const step = 1n << BigInt(bitsOf(this.family) - length);
    const end = this.address.toBigInt() + this.size;
    for (let value = this.address.toBigInt(); value < end; value += step)
      yield new Prefix(Address.fromBigInt(value, this.family), length);
  }

  equals(other: Prefix): boolean {
    return this.length === other.length && this.address.equals(other.address);
  }

  /** Order for sorting: by address, a wider block before the narrower ones inside it. */
  compare(other: Prefix): number {
    return this.address.compare(other.address) || this.length - other.length;
  }

  toString(): string {
    return `${this.address}/${this.length}`;
  }

  toJSON(): string {
    return this.toString();
  }

  /** What console.log and failing assertions show. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }
}

function maskBytes(address: Address, length: number): Address {
  const bytes = Uint8Array.from(address.bytes);
  for (let index = 0; index < bytes.length; index++) {
    const kept = Math.min(8, Math.max(0, length - index * 8));
    bytes[index] = (bytes[index] as number) & (0xff << (8 - kept));
  }
  return Address.fromBytes(bytes);
}
