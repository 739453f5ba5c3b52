// Addresses of services, and packets of three protocols between whom they concern.
import { Address, ether, type PacketBuilder, type TcpFlag } from "@tsilium/net";
import type { Place, ProtocolName } from "./service-spec.ts";
import { frame, macs, type Family, type IpOptions, type Party } from "./world.ts";

export function clusterIp(number: number): Party {
  return { 4: `10.96.0.${number}`, 6: `fd00:10:96::${number}` };
}

/** An address that a router of the underlay sends to nodes: a load balancer's, or an external IP. */
export function external(number: number): Party {
  return { 4: `192.0.2.${number}`, 6: `2001:db8:1b::${number}` };
}

/** Where a pod that serves itself hears from. */
export const hairpin: Party = { 4: "169.254.42.1", 6: "fd00:7473:6900::1" };

export const thirdNode: Party = { 4: "172.18.0.4", 6: "fc00:18::4" };

export type Flow = {
  readonly sport: number;
  readonly dport: number;
  /** Of TCP. */
  readonly flags?: TcpFlag | readonly TcpFlag[];
  readonly payload?: string;
};

/** A packet of any protocol that is balanced: TCP's are SYNs unless `flags` says otherwise. */
export function segment(
  packet: PacketBuilder,
  protocol: ProtocolName,
  { sport, dport, flags = "SYN", payload = "" }: Flow,
): PacketBuilder {
  switch (protocol) {
    case "tcp":
      return packet.tcp({ sport, dport, flags, seq: 1000, ack: 2000, payload });
    case "udp":
      return packet.udp({ sport, dport, payload: payload || "x" });
    case "sctp":
      return packet.sctp({ sport, dport, tag: 7, chunks: Uint8Array.of(1, 0, 0, 4) });
  }
}

/** Frames on the underlay. */
export function wire(
  family: Family,
  parties: readonly [Party, Party],
  options: IpOptions = {},
): PacketBuilder {
  return frame(family, parties, { src: macs.stranger, dst: macs.here, ...options });
}

/** Frames inside the tunnel, addressed to some device of the sender's. */
export function inner(
  family: Family,
  parties: readonly [Party, Party],
  options: IpOptions = {},
): PacketBuilder {
  return frame(family, parties, { src: macs.stranger, dst: macs.stranger, ...options });
}

/** Frames that the node's stack sends over tsi_host or eth0. */
export function stacked(
  family: Family,
  parties: readonly [Party, Party],
  options: IpOptions = {},
): PacketBuilder {
  return frame(family, parties, { src: macs.here, dst: macs.here, ...options });
}

/** What pod b sends: to be tried with `pod: "b"`. */
export function fromB(
  family: Family,
  from: Party,
  to: Party,
  options: IpOptions = {},
): PacketBuilder {
  return frame(family, [from, to], { src: macs.b, dst: macs.gatewayOfB, ...options });
}

/** "Port unreachable" about a packet, quoted from its IP header on. */
export function portUnreachable(
  packet: PacketBuilder,
  family: Family,
  about: PacketBuilder | Uint8Array,
  quoted = 1500,
): PacketBuilder {
  const bytes = about instanceof Uint8Array ? about : about.bytes();
  const payload = bytes.subarray(14, 14 + quoted);
  return family === 4
    ? packet.icmp({ type: "unreachable", code: 3, payload })
    : packet.icmpv6({ type: "unreachable", code: 4, payload });
}

/** "Fragmentation needed" or "packet too big" about a packet. */
export function tooBig(
  packet: PacketBuilder,
  family: Family,
  mtu: number,
  about: PacketBuilder | Uint8Array,
  quoted = 1500,
): PacketBuilder {
  const bytes = about instanceof Uint8Array ? about : about.bytes();
  const payload = bytes.subarray(14, 14 + quoted);
  return family === 4
    ? packet.icmp({ type: "unreachable", code: 4, mtu, payload })
    : packet.icmpv6({ type: "packet-too-big", mtu, payload });
}

/** Cilium's way of saying a frontend: an IPv4 option of 8 bytes, or an IPv6 destination option. */
export function dsrOption(family: Family, { at, port }: Place): Uint8Array {
  const address = Address.parse(at[family]).bytes;
  return family === 4
    ? Uint8Array.of(0x9a, 8, port >> 8, port, ...address)
    : Uint8Array.of(0x1b, 20, ...address, port >> 8, port, 0, 0);
}

/** The IP layer of either family with options (IPv6: in a destination options header). */
export function withOptions(
  family: Family,
  [from, to]: readonly [Party, Party],
  {
    options,
    ttl = 64,
    src = macs.stranger,
    dst = macs.stranger,
  }: IpOptions & { options: Uint8Array },
): PacketBuilder {
  const link = ether({ src, dst });
  if (family === 4) return link.ipv4({ src: from[4], dst: to[4], ttl, options });
  return link
    .ipv6({ src: from[6], dst: to[6], hopLimit: ttl })
    .extension({ kind: "destination", body: options });
}
