// IP addresses of both families as immutable values, held as the bytes that go on the wire.
import { AddressError } from "./errors.ts";
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from "./address-text.ts";

export type Family = 4 | 6;

/** An IPv4 or IPv6 address. Two addresses are the same when family and bytes are: compare with `equals`. */
export class Address {
  readonly family: Family;
  /** 4 or 16 bytes in network order. Shared, not copied: never write to it. */
  readonly bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.family = bytes.length === 4 ? 4 : 6;
    this.bytes = bytes;
  }

  /**
   * Reads "10.0.0.1" or any RFC 4291 form of an IPv6 address. Strict where tools disagree: no leading zeros
   * in IPv4 (octal to some), no zones, no brackets, no surrounding space.
   * @throws AddressError address_invalid
   */
  static parse(text: string): Address {
    const address = Address.tryParse(text);
    if (!address)
      throw new AddressError("address_invalid", `not an IP address: ${JSON.stringify(text)}`);
    return address;
  }

  /** The same, answering undefined for what is not an address. */
  static tryParse(text: string): Address | undefined {
    const bytes = text.includes(":") ? parseIpv6(text) : parseIpv4(text);
    return bytes && new Address(bytes);
  }

  /** From 4 or 16 bytes in network order (copied). @throws AddressError address_invalid */
  static fromBytes(bytes: Uint8Array): Address {
    if (bytes.length !== 4 && bytes.length !== 16)
      throw new AddressError(
        "address_invalid",
        `an address has 4 or 16 bytes, not ${bytes.length}`,
      );
    return new Address(Uint8Array.from(bytes));
  }

  /** From its number, 0 being 0.0.0.0 or "::". @throws AddressError address_out_of_range */
  static fromBigInt(value: bigint, family: Family): Address {
    const bits = bitsOf(family);
    if (value < 0n || value >> BigInt(bits) !== 0n)
      throw new AddressError("address_out_of_range", `${value} is not an IPv${family} address`);
    const bytes = new Uint8Array(bits / 8);
    for (let index = bytes.length - 1, rest = value; rest > 0n; index--, rest >>= 8n)
      bytes[index] = Number(rest & 0xffn);
    return new Address(bytes);
  }

  /** RFC 5952: lower case, the longest run of zero groups as "::", IPv4-mapped with its dotted tail. */
  toString(): string {
    return this.family === 4 ? formatIpv4(this.bytes) : formatIpv6(this.bytes);
  }

  toJSON(): string {
    return this.toString();
  }

  /** What console.log and failing assertions show. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return this.toString();
  }

  equals(other: Address): boolean {
    return this.compare(other) === 0;
  }

  /** Order for sorting: IPv4 before IPv6, then numeric. */
  compare(other: Address): number {
    if (this.family !== other.family) return this.family - other.family;
    for (let index = 0; index < this.bytes.length; index++) {
      const difference = (this.bytes[index] as number) - (other.bytes[index] as number);
      if (difference !== 0) return Math.sign(difference);
    }
    return 0;
  }

  /** The address `count` further on (back, when negative). @throws AddressError address_out_of_range past the family's end */
  add(count: bigint | number): Address {
    return Address.fromBigInt(this.toBigInt() + BigInt(count), this.family);
  }

  toBigInt(): bigint {
    let value = 0n;
    for (const byte of this.bytes) value = (value << 8n) | BigInt(byte);
    return value;
  }

  /** 127.0.0.0/8 or ::1. */
  get isLoopback(): boolean {
    return this.family === 4 ? this.bytes[0] === 127 : this.toBigInt() === 1n;
  }

  /** 169.254.0.0/16 (RFC 3927) or fe80::/10 (RFC 4291, 2.5.6). */
  get isLinkLocal(): boolean {
    const [first = 0, second = 0] = this.bytes;
    if (this.family === 4) return first === 169 && second === 254;
    return first === 0xfe && (second & 0xc0) === 0x80;
  }

  /** 224.0.0.0/4 or ff00::/8. */
  get isMulticast(): boolean {
    const first = this.bytes[0] as number;
    return this.family === 4 ? first >> 4 === 0xe : first === 0xff;
  }

  /** 0.0.0.0 or "::". */
  get isUnspecified(): boolean {
    return this.bytes.every((byte) => byte === 0);
  }
}

/** Width of a family's addresses in bits. */
export function bitsOf(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}
