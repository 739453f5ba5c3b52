// The internet checksum (RFC 1071): ones' complement sum of 16-bit words in network order.
import type { Address } from "../address.ts";

/** The sum of `bytes` added to `start`, carries folded in; an odd last byte counts as the high half of a word. */
function sum16(bytes: Uint8Array, start = 0): number {
  let sum = start;
  for (let index = 0; index < bytes.length; index += 2)
    sum += ((bytes[index] as number) << 8) | (bytes[index + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}

/** What goes into a checksum field that was zero in `bytes`. */
export function internetChecksum(bytes: Uint8Array, start = 0): number {
  return ~sum16(bytes, start) & 0xffff;
}

export type Endpoints = { readonly source: Address; readonly destination: Address };

/** The sum of the pseudo header of TCP, UDP and ICMPv6 (RFC 9293 3.1, RFC 8200 8.1). */
export function pseudoHeaderSum(ip: Endpoints, protocol: number, length: number): number {
  const lengthAndProtocol = Uint8Array.of(
    length >> 24,
    length >> 16,
    length >> 8,
    length,
    0,
    protocol,
  );
  return sum16(lengthAndProtocol, sum16(ip.destination.bytes, sum16(ip.source.bytes)));
}
