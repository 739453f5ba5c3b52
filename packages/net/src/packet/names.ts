// Numbers of the protocols we speak (IANA registries) and their names.

export const etherType = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, ipv6: 0x86dd } as const;

export const ipProtocol = {
  hopByHop: 0,
  icmp: 1,
  ipv4: 4,
  tcp: 6,
  udp: 17,
  ipv6: 41,
  routing: 43,
  fragment: 44,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  none: 59,
  destinationOptions: 60,
  sctp: 132,
  mobility: 135,
} as const;

/** Bits of the TCP flags byte, lowest first (RFC 9293, 3.1). */
export const tcpFlags = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"] as const;
export type TcpFlag = (typeof tcpFlags)[number];

/** ICMP types (RFC 792) by the names used here. */
export const icmpTypes = {
  "echo-reply": 0,
  unreachable: 3,
  redirect: 5,
  "echo-request": 8,
  "time-exceeded": 11,
  "parameter-problem": 12,
} as const;
export type IcmpType = keyof typeof icmpTypes;

/** ICMPv6 types (RFC 4443, RFC 4861) by the names used here. */
export const icmpv6Types = {
  unreachable: 1,
  "packet-too-big": 2,
  "time-exceeded": 3,
  "parameter-problem": 4,
  "echo-request": 128,
  "echo-reply": 129,
  "router-solicitation": 133,
  "router-advertisement": 134,
  "neighbour-solicitation": 135,
  "neighbour-advertisement": 136,
} as const;
export type Icmpv6Type = keyof typeof icmpv6Types;

const reversed = (names: Readonly<Record<string, number>>): ReadonlyMap<number, string> =>
  new Map(Object.entries(names).map(([name, number]) => [number, name]));
const protocolNames = reversed(ipProtocol);
const icmpNames = reversed(icmpTypes);
const icmpv6Names = reversed(icmpv6Types);

/** "tcp" for 6; the number itself where we have no name. */
export function protocolName(protocol: number): string {
  return protocolNames.get(protocol) ?? String(protocol);
}

/** "echo-request" for ICMP 8 or ICMPv6 128; "type 42" where we have no name. */
export function icmpTypeName(version: 4 | 6, type: number): string {
  return (version === 4 ? icmpNames : icmpv6Names).get(type) ?? `type ${type}`;
}

/** Whether an ICMP message quotes the packet it complains about. */
export function isIcmpError(version: 4 | 6, type: number): boolean {
  return version === 6 ? type < 128 : [3, 4, 5, 11, 12].includes(type);
}
