// Addresses as the maps key them: one 16-byte form for both families, IPv4 as ::ffff:a.b.c.d (bpf/lib/address.h).
import { Address, Prefix } from "@tsilium/net";

const addressBytes = 16;
/** Where the IPv4 address lies within its mapped form, and how many bits come before it. */
const mappedOffset = 12;
const mappedBits = 96;

/** The key form of an address; all zero for none. */
export function mappedBytes(address: Address | undefined): Uint8Array {
  const bytes = new Uint8Array(addressBytes);
  if (address === undefined) return bytes;
  if (address.family === 6) {
    bytes.set(address.bytes);
    return bytes;
  }
  bytes[10] = 0xff;
  bytes[11] = 0xff;
  bytes.set(address.bytes, mappedOffset);
  return bytes;
}

/** The address of a key form; undefined for all zero. */
export function fromMappedBytes(bytes: Uint8Array): Address | undefined {
  if (startsWithZeros(bytes, addressBytes)) return undefined;
  return Address.fromBytes(isMapped(bytes) ? bytes.subarray(mappedOffset) : bytes);
}

/** A prefix as the LPM trie keys it; lengths count from the start of the mapped form. */
export function prefixKey(prefix: Prefix): { prefixlen: number; address: Uint8Array } {
  const offset = prefix.family === 4 ? mappedBits : 0;
  return { prefixlen: prefix.length + offset, address: mappedBytes(prefix.address) };
}

/** The prefix of an LPM key. ::/0 is read as IPv6, as are all prefixes shorter than the mapped range's own. */
export function fromPrefixKey(key: { prefixlen: number; address: Uint8Array }): Prefix {
  if (key.prefixlen >= mappedBits && isMapped(key.address))
    return Prefix.of(
      Address.fromBytes(key.address.slice(mappedOffset)),
      key.prefixlen - mappedBits,
    );
  return Prefix.of(Address.fromBytes(key.address.slice()), key.prefixlen);
}

/** __be32 fields read as numbers: back to an address; 0 is none. */
export function fromIpv4Number(value: number): Address | undefined {
  if (value === 0) return undefined;
  return Address.fromBytes(
    Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff),
  );
}

/** An IPv4 address as the number that a __be32 field takes; 0 for none. */
export function ipv4Number(address: Address | undefined): number {
  if (address === undefined) return 0;
  const [a = 0, b = 0, c = 0, d = 0] = address.bytes;
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes[10] === 0xff && bytes[11] === 0xff && startsWithZeros(bytes, 10);
}

/** A loop: tables of hundreds of thousands of addresses are read through it. */
function startsWithZeros(bytes: Uint8Array, count: number): boolean {
  for (let index = 0; index < count; index++) if (bytes[index] !== 0) return false;
  return true;
}
