// Bytes to ParsedPacket. Total: any bytes give an answer, with `error` where they make no sense. Each step
// takes the bytes from its header on and answers what it found merged over what is known.
import { Address } from "../address.ts";
import { Mac } from "../mac.ts";
import { parseIp, type ParseContext, type Start } from "./parse-ip.ts";
import { etherType } from "./names.ts";
import type { ParsedPacket, ParsedVlan } from "./parsed.ts";

export type ParseOptions = {
  /** What the bytes begin with. Default "ethernet". */
  readonly start?: Start;
  /** UDP destination ports behind which a VXLAN header is looked for. Default 8472 (Linux) and 4789 (IANA). */
  readonly vxlanPorts?: readonly number[];
};

/** Tunnels in tunnels and quotes in quotes are followed so far: what comes from the network must not exhaust the stack. */
const maxDepth = 8;

/** Parses a packet. Never throws. */
export function parsePacket(bytes: Uint8Array, options: ParseOptions = {}): ParsedPacket {
  const { start = "ethernet", vxlanPorts = [8472, 4789] } = options;
  const parseAt = (from: Start, at: Uint8Array, depth: number): ParsedPacket => {
    if (depth > maxDepth) return { payload: at, error: "nested too deep" };
    const parseInner = (inner: Start, rest: Uint8Array) => parseAt(inner, rest, depth + 1);
    return from === "ip"
      ? parseIp(at, { vxlanPorts, parseInner })
      : parseFrame(at, { vxlanPorts, parseInner });
  };
  return parseAt(start, bytes, 0);
}

function parseFrame(bytes: Uint8Array, context: ParseContext): ParsedPacket {
  if (bytes.length < 14) return { payload: bytes, error: "shorter than an Ethernet header" };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const outerType = view.getUint16(12);
  const ethernet = {
    destination: Mac.fromBytes(bytes.subarray(0, 6)),
    source: Mac.fromBytes(bytes.subarray(6, 12)),
    type: outerType,
  };
  const { vlan, type, rest } = parseVlan(bytes.subarray(14), outerType);
  const outer = { ethernet, ...(vlan ? { vlan } : {}) };
  switch (type) {
    case etherType.ipv4:
    case etherType.ipv6:
      return { ...outer, ...parseIp(rest, context) };
    case etherType.arp:
      return { ...outer, ...parseArp(rest) };
    case etherType.vlan:
      return { ...outer, payload: rest, error: "no room for an 802.1Q tag" };
    default:
      return { ...outer, payload: rest };
  }
}

type Tagged = { readonly vlan?: ParsedVlan; readonly type: number; readonly rest: Uint8Array };

function parseVlan(bytes: Uint8Array, type: number): Tagged {
  if (type !== etherType.vlan || bytes.length < 4) return { type, rest: bytes };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const tag = view.getUint16(0);
  return {
    vlan: { id: tag & 0xfff, priority: tag >> 13 },
    type: view.getUint16(2),
    rest: bytes.subarray(4),
  };
}

function parseArp(bytes: Uint8Array): ParsedPacket {
  const isEthernetIpv4 = [0, 1, 8, 0, 6, 4].every((byte, index) => bytes[index] === byte);
  if (bytes.length < 28 || !isEthernetIpv4)
    return { payload: bytes, error: "not ARP for IPv4 over Ethernet" };
  const arp = {
    operation: ((bytes[6] as number) << 8) | (bytes[7] as number),
    senderMac: Mac.fromBytes(bytes.subarray(8, 14)),
    sender: Address.fromBytes(bytes.subarray(14, 18)),
    targetMac: Mac.fromBytes(bytes.subarray(18, 24)),
    target: Address.fromBytes(bytes.subarray(24, 28)),
  };
  return { arp, payload: bytes.subarray(28) };
}
