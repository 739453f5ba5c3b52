// IPv4 and IPv6 headers, extension headers included, and on to what they carry.
import { Address } from "../address.ts";
import { internetChecksum } from "./checksum.ts";
import { concat } from "./layer.ts";
import { ipProtocol } from "./names.ts";
import type { ParsedFragment, ParsedIp, ParsedPacket } from "./parsed.ts";
import { parseTransport } from "./parse-transport.ts";

/** What bytes begin with. */
export type Start = "ethernet" | "ip";

export type ParseContext = {
  readonly vxlanPorts: readonly number[];
  /** Parses a packet found inside this one: in a tunnel, or quoted by an ICMP error. */
  readonly parseInner: (start: Start, bytes: Uint8Array) => ParsedPacket;
};

/** What follows the IP headers, cut to the length they claim. */
type Carried = { readonly ip: ParsedIp; readonly rest: Uint8Array; readonly truncated: boolean };

/** Parses from an IP header on; the version nibble decides. Never throws. */
export function parseIp(bytes: Uint8Array, context: ParseContext): ParsedPacket {
  const version = (bytes[0] ?? 0) >> 4;
  const carried =
    version === 4 ? parseIpv4(bytes) : version === 6 ? parseIpv6(bytes) : "not an IP version";
  if (typeof carried === "string") return { payload: bytes, error: carried };
  const { ip, rest, truncated } = carried;
  const known = { ip, ...(truncated ? { truncated } : {}) };
  // Only the first fragment has the transport header.
  if (ip.fragment && ip.fragment.offset > 0) return { ...known, payload: rest };
  return {
    ...known,
    ...parseTransport(rest, { ...context, ip, truncated }),
  };
}

function parseIpv4(bytes: Uint8Array): Carried | string {
  if (bytes.length < 20) return "shorter than an IPv4 header";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerSize = (view.getUint8(0) & 0xf) * 4;
  const length = view.getUint16(2);
  if (headerSize < 20 || headerSize > bytes.length) return `IPv4 header length ${headerSize}`;
  if (length < headerSize) return `IPv4 total length ${length}`;
  const word = view.getUint16(6);
  const fragment = {
    id: view.getUint16(4),
    offset: (word & 0x1fff) * 8,
    more: (word & 0x2000) !== 0,
  };
  const isFragment = fragment.more || fragment.offset > 0;
  const ip: ParsedIp = {
    version: 4,
    source: Address.fromBytes(bytes.subarray(12, 16)),
    destination: Address.fromBytes(bytes.subarray(16, 20)),
    ttl: view.getUint8(8),
    trafficClass: view.getUint8(1),
    protocol: view.getUint8(9),
    length,
    dontFragment: (word & 0x4000) !== 0,
    ...(isFragment ? { fragment } : {}),
    extensions: [],
    ...optionsOf(bytes.subarray(20, headerSize)),
    checksum: internetChecksum(bytes.subarray(0, headerSize)) === 0 ? "ok" : "bad",
  };
  return { ip, rest: bytes.subarray(headerSize, length), truncated: length > bytes.length };
}

function parseIpv6(bytes: Uint8Array): Carried | string {
  if (bytes.length < 40) return "shorter than an IPv6 header";
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = 40 + view.getUint16(4);
  const chain = skipExtensions(bytes.subarray(40, length), view.getUint8(6));
  if (typeof chain === "string") return chain;
  const ip: ParsedIp = {
    version: 6,
    source: Address.fromBytes(bytes.subarray(8, 24)),
    destination: Address.fromBytes(bytes.subarray(24, 40)),
    ttl: view.getUint8(7),
    trafficClass: (view.getUint16(0) >> 4) & 0xff,
    protocol: chain.protocol,
    length,
    dontFragment: false,
    ...(chain.fragment ? { fragment: chain.fragment } : {}),
    extensions: chain.extensions,
    ...optionsOf(chain.options),
    checksum: "none",
  };
  return { ip, rest: chain.rest, truncated: length > bytes.length };
}

type Chain = {
  readonly protocol: number;
  readonly extensions: readonly number[];
  readonly fragment: ParsedFragment | undefined;
  readonly options: Uint8Array;
  readonly rest: Uint8Array;
};

function optionsOf(options: Uint8Array): { readonly options?: Uint8Array } {
  return options.length > 0 ? { options } : {};
}

/** RFC 8200 section 4: headers chained by "next header"; those with a length field count it in 8-byte units. */
function skipExtensions(bytes: Uint8Array, first: number): Chain | string {
  const extensions: number[] = [];
  let protocol = first;
  let rest = bytes;
  let fragment: ParsedFragment | undefined;
  let options: Uint8Array = new Uint8Array();
  while (isExtension(protocol)) {
    if (rest.length < 8) return `IPv6 extension header ${protocol} is cut off`;
    const isFragment = protocol === ipProtocol.fragment;
    if (isFragment) fragment = readFragment(rest);
    const size = extensionSize(protocol, rest[1] as number);
    if (size > rest.length) return `IPv6 extension header ${protocol} is cut off`;
    extensions.push(protocol);
    if (protocol === ipProtocol.destinationOptions)
      options = concat(options, rest.subarray(2, size));
    protocol = rest[0] as number;
    rest = rest.subarray(size);
    // What follows in a later fragment is payload, whatever its header would be called.
    if (fragment && fragment.offset > 0) break;
  }
  return { protocol, extensions, fragment, options, rest };
}

function isExtension(protocol: number): boolean {
  const { hopByHop, routing, fragment, destinationOptions, ah, mobility } = ipProtocol;
  return [hopByHop, routing, fragment, destinationOptions, ah, mobility].includes(
    protocol as typeof hopByHop,
  );
}

function extensionSize(protocol: number, lengthField: number): number {
  if (protocol === ipProtocol.fragment) return 8;
  // RFC 4302, 2.2: the authentication header counts 4-byte units, minus two.
  if (protocol === ipProtocol.ah) return (lengthField + 2) * 4;
  return (lengthField + 1) * 8;
}

function readFragment(bytes: Uint8Array): ParsedFragment {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = view.getUint16(2);
  return { id: view.getUint32(4), offset: word & 0xfff8, more: (word & 1) !== 0 };
}
