// TCP, UDP (and VXLAN in it), ICMP and ICMPv6.
import { Address } from "../address.ts";
import { Mac } from "../mac.ts";
import { internetChecksum, pseudoHeaderSum } from "./checksum.ts";
import { crc32c } from "./crc32c.ts";
import { icmpTypes, icmpv6Types, ipProtocol, isIcmpError, tcpFlags } from "./names.ts";
import type { ParseContext } from "./parse-ip.ts";
import type { ChecksumState, ParsedIcmp, ParsedIp, ParsedPacket } from "./parsed.ts";

export type TransportContext = ParseContext & {
  readonly ip: ParsedIp;
  readonly truncated: boolean;
};

/** Parses what an IP packet (or its first fragment) carries. Never throws. */
export function parseTransport(bytes: Uint8Array, context: TransportContext): ParsedPacket {
  switch (context.ip.protocol) {
    case ipProtocol.tcp:
      return parseTcp(bytes, context);
    case ipProtocol.udp:
      return parseUdp(bytes, context);
    case ipProtocol.ipv4:
    case ipProtocol.ipv6:
      return { inner: context.parseInner("ip", bytes), payload: bytes };
    case ipProtocol.sctp:
      return parseSctp(bytes, context);
    case ipProtocol.icmp:
      return context.ip.version === 4 ? parseIcmp(bytes, context) : { payload: bytes };
    case ipProtocol.icmpv6:
      return context.ip.version === 6 ? parseIcmp(bytes, context) : { payload: bytes };
    default:
      return { payload: bytes };
  }
}

function parseTcp(bytes: Uint8Array, context: TransportContext): ParsedPacket {
  if (bytes.length < 20) return { payload: bytes, error: "shorter than a TCP header" };
  const view = viewOf(bytes);
  const headerSize = (view.getUint8(12) >> 4) * 4;
  const tcp = {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    seq: view.getUint32(4),
    ack: view.getUint32(8),
    flags: tcpFlags.filter((_, bit) => view.getUint8(13) & (1 << bit)),
    window: view.getUint16(14),
    checksum: checksumState(bytes, context),
  };
  if (headerSize < 20)
    return { tcp, payload: bytes.subarray(20), error: `TCP header length ${headerSize}` };
  return { tcp, payload: bytes.subarray(headerSize) };
}

function parseUdp(bytes: Uint8Array, context: TransportContext): ParsedPacket {
  if (bytes.length < 8) return { payload: bytes, error: "shorter than a UDP header" };
  const view = viewOf(bytes);
  const destinationPort = view.getUint16(2);
  const hasChecksum = view.getUint16(6) !== 0;
  const udp = {
    sourcePort: view.getUint16(0),
    destinationPort,
    length: view.getUint16(4),
    checksum: hasChecksum ? checksumState(bytes, context) : ("none" as const),
  };
  const payload = bytes.subarray(8);
  const isVxlan = context.vxlanPorts.includes(destinationPort) && payload.length >= 8;
  if (!isVxlan || !((payload[0] as number) & 0x08)) return { udp, payload };
  const inner = context.parseInner("ethernet", payload.subarray(8));
  const vxlan = { flags: payload[0] as number, vni: viewOf(payload).getUint32(4) >>> 8, inner };
  return { udp, vxlan, payload: payload.subarray(8) };
}

function parseSctp(bytes: Uint8Array, { ip, truncated }: TransportContext): ParsedPacket {
  if (bytes.length < 12) return { payload: bytes, error: "shorter than an SCTP header" };
  const view = viewOf(bytes);
  const bare = Uint8Array.from(bytes);
  bare.fill(0, 8, 12);
  const isRight = crc32c(bare) === view.getUint32(8, true);
  const sctp = {
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    tag: view.getUint32(4),
    checksum: truncated || ip.fragment ? ("unknown" as const) : isRight ? "ok" : "bad",
  } as const;
  return { sctp, payload: bytes.subarray(12) };
}

function parseIcmp(bytes: Uint8Array, context: TransportContext): ParsedPacket {
  if (bytes.length < 8) return { payload: bytes, error: "shorter than an ICMP header" };
  const view = viewOf(bytes);
  const { version } = context.ip;
  const type = view.getUint8(0);
  const common = { type, code: view.getUint8(1), checksum: checksumState(bytes, context) };
  const payload = bytes.subarray(8);
  const icmp: ParsedIcmp = { ...common, ...icmpDetails(version, bytes) };
  if (!isIcmpError(version, type)) return { icmp, payload };
  return { icmp: { ...icmp, quoted: context.parseInner("ip", payload) }, payload };
}

/** What the second word and the body mean depends on the type. */
function icmpDetails(version: 4 | 6, bytes: Uint8Array): Partial<ParsedIcmp> {
  const view = viewOf(bytes);
  const type = view.getUint8(0);
  const echo = version === 4 ? icmpTypes : icmpv6Types;
  if (type === echo["echo-request"] || type === echo["echo-reply"])
    return { id: view.getUint16(4), sequence: view.getUint16(6) };
  if (version === 4)
    return type === icmpTypes.unreachable && view.getUint8(1) === 4
      ? { mtu: view.getUint16(6) }
      : {};
  if (type === icmpv6Types["packet-too-big"]) return { mtu: view.getUint32(4) };
  const isNeighbour =
    type === icmpv6Types["neighbour-solicitation"] ||
    type === icmpv6Types["neighbour-advertisement"];
  return isNeighbour && bytes.length >= 24 ? neighbourDetails(bytes) : {};
}

/** RFC 4861, 4.3 and 4.4: the target, and a link-layer address option (1 source, 2 target) when it comes first. */
function neighbourDetails(bytes: Uint8Array): Partial<ParsedIcmp> {
  const target = Address.fromBytes(bytes.subarray(8, 24));
  const hasLinkLayer =
    bytes.length >= 32 && [1, 2].includes(bytes[24] as number) && bytes[25] === 1;
  return hasLinkLayer ? { target, linkLayer: Mac.fromBytes(bytes.subarray(26, 32)) } : { target };
}

function checksumState(bytes: Uint8Array, { ip, truncated }: TransportContext): ChecksumState {
  if (truncated || ip.fragment) return "unknown";
  const start =
    ip.protocol === ipProtocol.icmp ? 0 : pseudoHeaderSum(ip, ip.protocol, bytes.length);
  return internetChecksum(bytes, start) === 0 ? "ok" : "bad";
}

const viewOf = (bytes: Uint8Array) =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
