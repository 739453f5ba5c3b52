// What IP carries: TCP, UDP, ICMP, ICMPv6. Checksums are right unless given.
import { Mac } from "../mac.ts";
import { internetChecksum, pseudoHeaderSum } from "./checksum.ts";
import {
  concat,
  toAddress,
  toBytes,
  toMac,
  type AddressLike,
  type Layer,
  type MacLike,
  type PayloadLike,
  type Surroundings,
} from "./layer.ts";
import {
  icmpTypes,
  icmpv6Types,
  ipProtocol,
  tcpFlags,
  type IcmpType,
  type Icmpv6Type,
  type TcpFlag,
} from "./names.ts";

export type TcpFields = {
  readonly sport: number;
  readonly dport: number;
  readonly flags?: TcpFlag | readonly TcpFlag[];
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  /** Raw options, padded to 4 with zeros. */
  readonly options?: Uint8Array;
  readonly payload?: PayloadLike;
  readonly checksum?: number;
};

/** A TCP header (RFC 9293), 20 bytes and options. Default flags: ACK. */
export function tcpLayer(fields: TcpFields): Layer {
  return {
    ipProtocol: ipProtocol.tcp,
    encode(payload, around) {
      const options = fields.options ?? new Uint8Array();
      const padding = new Uint8Array(-options.length & 3);
      const header = concat(new Uint8Array(20), options, padding);
      const view = new DataView(header.buffer);
      view.setUint16(0, fields.sport);
      view.setUint16(2, fields.dport);
      view.setUint32(4, fields.seq ?? 0);
      view.setUint32(8, fields.ack ?? 0);
      view.setUint8(12, (header.length / 4) << 4);
      view.setUint8(13, flagBits(fields.flags ?? "ACK"));
      view.setUint16(14, fields.window ?? 65_535);
      const segment = concat(header, toBytes(fields.payload ?? ""), payload);
      return withChecksum(
        segment,
        16,
        fields.checksum ?? transportChecksum(segment, around, ipProtocol.tcp),
      );
    },
  };
}

function flagBits(flags: TcpFlag | readonly TcpFlag[]): number {
  const list: readonly TcpFlag[] = typeof flags === "string" ? [flags] : flags;
  return list.reduce((bits, flag) => bits | (1 << tcpFlags.indexOf(flag)), 0);
}

export type UdpFields = {
  readonly sport: number;
  readonly dport: number;
  readonly payload?: PayloadLike;
  /** 0 sends none (RFC 768). */
  readonly checksum?: number;
  /** Header and payload, bytes; right when absent. */
  readonly length?: number;
};

/** A UDP header (RFC 768), 8 bytes. */
export function udpLayer(fields: UdpFields): Layer {
  return {
    ipProtocol: ipProtocol.udp,
    encode(payload, around) {
      const datagram = concat(new Uint8Array(8), toBytes(fields.payload ?? ""), payload);
      const view = new DataView(datagram.buffer);
      view.setUint16(0, fields.sport);
      view.setUint16(2, fields.dport);
      view.setUint16(4, fields.length ?? datagram.length);
      // A computed zero goes as all ones: zero means "none".
      const computed = () => transportChecksum(datagram, around, ipProtocol.udp) || 0xffff;
      return withChecksum(datagram, 6, fields.checksum ?? computed());
    },
  };
}

type IcmpCommon = {
  readonly code?: number;
  /** Of echo messages. */
  readonly id?: number;
  readonly sequence?: number;
  /** Of "fragmentation needed" and "packet too big". */
  readonly mtu?: number;
  /** Echo data; in errors, the packet complained about (its IP header and what follows). */
  readonly payload?: PayloadLike;
  readonly checksum?: number;
};

export type IcmpFields = IcmpCommon & { readonly type: IcmpType | number };

/** An ICMP message (RFC 792), 8 bytes and payload. */
export function icmpLayer(fields: IcmpFields): Layer {
  return {
    ipProtocol: ipProtocol.icmp,
    encode(payload) {
      const type = typeof fields.type === "number" ? fields.type : icmpTypes[fields.type];
      const message = icmpMessage(type, fields, payload);
      // RFC 1191 puts the MTU in the low half; RFC 792 left those bytes unused.
      if (fields.mtu !== undefined) new DataView(message.buffer).setUint16(6, fields.mtu);
      return withChecksum(message, 2, fields.checksum ?? internetChecksum(message));
    },
  };
}

export type Icmpv6Fields = IcmpCommon & {
  readonly type: Icmpv6Type | number;
  /** Of neighbour solicitations and advertisements. */
  readonly target?: AddressLike;
  /** Source (solicitation) or target (advertisement) link-layer address option. */
  readonly linkLayer?: MacLike;
  /** Advertisement flags; default override and solicited. */
  readonly advertisement?: {
    readonly router?: boolean;
    readonly solicited?: boolean;
    readonly override?: boolean;
  };
};

/** An ICMPv6 message (RFC 4443), neighbour discovery (RFC 4861) included. */
export function icmpv6Layer(fields: Icmpv6Fields): Layer {
  return {
    ipProtocol: ipProtocol.icmpv6,
    encode(payload, around) {
      const type = typeof fields.type === "number" ? fields.type : icmpv6Types[fields.type];
      const message = concat(icmpMessage(type, fields, payload), neighbourBody(type, fields));
      const view = new DataView(message.buffer);
      if (fields.mtu !== undefined) view.setUint32(4, fields.mtu);
      if (type === icmpv6Types["neighbour-advertisement"])
        view.setUint8(4, advertisementFlags(fields));
      const computed = () => transportChecksum(message, around, ipProtocol.icmpv6);
      return withChecksum(message, 2, fields.checksum ?? computed());
    },
  };
}

function icmpMessage(type: number, fields: IcmpCommon, payload: Uint8Array): Uint8Array {
  const message = concat(new Uint8Array(8), toBytes(fields.payload ?? ""), payload);
  const view = new DataView(message.buffer);
  view.setUint8(0, type);
  view.setUint8(1, fields.code ?? 0);
  view.setUint16(4, fields.id ?? 0);
  view.setUint16(6, fields.sequence ?? 0);
  return message;
}

function neighbourBody(type: number, { target, linkLayer }: Icmpv6Fields): Uint8Array {
  const targetBytes = target === undefined ? new Uint8Array() : toAddress(target).bytes;
  if (linkLayer === undefined) return targetBytes;
  const option = type === icmpv6Types["neighbour-advertisement"] ? 2 : 1;
  return concat(targetBytes, Uint8Array.of(option, 1), toMac(linkLayer ?? Mac.zero).bytes);
}

function advertisementFlags({ advertisement = {} }: Icmpv6Fields): number {
  const { router = false, solicited = true, override = true } = advertisement;
  return (router ? 0x80 : 0) | (solicited ? 0x40 : 0) | (override ? 0x20 : 0);
}

/** @throws RangeError outside an IP header, which the checksum covers. */
function transportChecksum(segment: Uint8Array, { ip }: Surroundings, protocol: number): number {
  if (!ip)
    throw new RangeError("TCP, UDP and ICMPv6 need an IP header around them, or a given checksum");
  return internetChecksum(segment, pseudoHeaderSum(ip, protocol, segment.length));
}

function withChecksum(bytes: Uint8Array, offset: number, checksum: number): Uint8Array {
  new DataView(bytes.buffer).setUint16(offset, checksum);
  return bytes;
}
