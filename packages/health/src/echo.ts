// ICMP echo of both families (RFC 792, RFC 4443), as bytes. Pure.
//
//   type 1 | code 1 | checksum 2 | identifier 2 | sequence 2 | data
import { type Family, internetChecksum } from "@tsilium/net";

export type Echo = { readonly identifier: number; readonly sequence: number };

const types = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;
const headerLength = 8;
/** What a request carries; an answer that does not bring it back is another's. */
const payload = new TextEncoder().encode("tsilium health");

/** A request. IPv6's checksum is the kernel's to fill in: it knows the addresses. */
export function encodeEcho(family: Family, { identifier, sequence }: Echo): Uint8Array {
  const bytes = new Uint8Array(headerLength + payload.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = types[family].request;
  view.setUint16(4, identifier);
  view.setUint16(6, sequence);
  bytes.set(payload, headerLength);
  if (family === 4) view.setUint16(2, internetChecksum(bytes));
  return bytes;
}

/**
 * The reply in what a raw socket received: with the IP header for IPv4, without for IPv6. undefined for anything that is
 * no answer to a request of ours, however it is made up.
 */
export function decodeEchoReply(family: Family, received: Uint8Array): Echo | undefined {
  const header = family === 4 ? ((received[0] ?? 0) & 0x0f) * 4 : 0;
  if (family === 4 && header < 20) return undefined;
  const message = received.subarray(header);
  if (message.length !== headerLength + payload.length) return undefined;
  if (message[0] !== types[family].reply || message[1] !== 0) return undefined;
  if (payload.some((byte, at) => message[headerLength + at] !== byte)) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  return { identifier: view.getUint16(4), sequence: view.getUint16(6) };
}
