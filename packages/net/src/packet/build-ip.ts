// IP layers: IPv4, IPv6 and its extension headers.
import { internetChecksum } from "./checksum.ts";
import { concat, toAddress, type AddressLike, type Layer } from "./layer.ts";
import { etherType, ipProtocol } from "./names.ts";

export type Ipv4Fields = {
  readonly src: AddressLike;
  readonly dst: AddressLike;
  readonly ttl?: number;
  /** DSCP and ECN. */
  readonly tos?: number;
  readonly id?: number;
  readonly dontFragment?: boolean;
  readonly moreFragments?: boolean;
  /** Bytes, a multiple of 8. */
  readonly fragmentOffset?: number;
  /** Raw options, padded to 4 with zeros. */
  readonly options?: Uint8Array;
  /** The next layer's number when absent. */
  readonly protocol?: number;
  /** Right when absent. */
  readonly checksum?: number;
  /** Total length, bytes; right when absent. */
  readonly totalLength?: number;
};

/** An IPv4 header (RFC 791), 20 bytes and options. */
export function ipv4Layer(fields: Ipv4Fields): Layer {
  const source = toAddress(fields.src);
  const destination = toAddress(fields.dst);
  if (source.family !== 4 || destination.family !== 4)
    throw new RangeError(`not IPv4 addresses: ${source}, ${destination}`);
  return {
    etherType: etherType.ipv4,
    ipProtocol: 4,
    endpoints: { source, destination },
    encode(payload, { next }) {
      const options = padTo4(fields.options ?? new Uint8Array());
      const header = concat(new Uint8Array(20), options);
      const view = new DataView(header.buffer);
      view.setUint8(0, 0x40 | (header.length / 4));
      view.setUint8(1, fields.tos ?? 0);
      view.setUint16(2, fields.totalLength ?? header.length + payload.length);
      view.setUint16(4, fields.id ?? 0);
      view.setUint16(6, fragmentWord(fields));
      view.setUint8(8, fields.ttl ?? 64);
      view.setUint8(9, fields.protocol ?? next?.ipProtocol ?? ipProtocol.none);
      header.set(source.bytes, 12);
      header.set(destination.bytes, 16);
      view.setUint16(10, fields.checksum ?? internetChecksum(header));
      return concat(header, payload);
    },
  };
}

function fragmentWord({ dontFragment, moreFragments, fragmentOffset = 0 }: Ipv4Fields): number {
  if (fragmentOffset % 8 !== 0)
    throw new RangeError(`a fragment's offset is a multiple of 8, not ${fragmentOffset}`);
  return (dontFragment ? 0x4000 : 0) | (moreFragments ? 0x2000 : 0) | (fragmentOffset / 8);
}

function padTo4(bytes: Uint8Array): Uint8Array {
  return concat(bytes, new Uint8Array(-bytes.length & 3));
}

export type Ipv6Fields = {
  readonly src: AddressLike;
  readonly dst: AddressLike;
  readonly hopLimit?: number;
  /** DSCP and ECN. */
  readonly trafficClass?: number;
  readonly flowLabel?: number;
  /** The next layer's number when absent. */
  readonly protocol?: number;
  /** Payload length, bytes; right when absent. */
  readonly payloadLength?: number;
};

/** An IPv6 header (RFC 8200), 40 bytes. */
export function ipv6Layer(fields: Ipv6Fields): Layer {
  const source = toAddress(fields.src);
  const destination = toAddress(fields.dst);
  if (source.family !== 6 || destination.family !== 6)
    throw new RangeError(`not IPv6 addresses: ${source}, ${destination}`);
  return {
    etherType: etherType.ipv6,
    ipProtocol: 41,
    endpoints: { source, destination },
    encode(payload, { next }) {
      const header = new Uint8Array(40);
      const view = new DataView(header.buffer);
      const { trafficClass = 0, flowLabel = 0 } = fields;
      view.setUint32(0, ((6 << 28) | (trafficClass << 20) | flowLabel) >>> 0);
      view.setUint16(4, fields.payloadLength ?? payload.length);
      view.setUint8(6, fields.protocol ?? next?.ipProtocol ?? ipProtocol.none);
      view.setUint8(7, fields.hopLimit ?? 64);
      header.set(source.bytes, 8);
      header.set(destination.bytes, 24);
      return concat(header, payload);
    },
  };
}

export type ExtensionFields = {
  readonly kind: "hop-by-hop" | "destination" | "routing";
  /** What follows next header and length; padded to whole 8-byte units. Default: one PadN option. */
  readonly body?: Uint8Array;
  readonly protocol?: number;
};

const extensionNumbers = {
  "hop-by-hop": ipProtocol.hopByHop,
  destination: ipProtocol.destinationOptions,
  routing: ipProtocol.routing,
} as const;

/** An IPv6 extension header of the common shape (RFC 8200, 4.3 to 4.6). */
export function extensionLayer(fields: ExtensionFields): Layer {
  const body = fields.body ?? Uint8Array.of(1, 4, 0, 0, 0, 0);
  return {
    ipProtocol: extensionNumbers[fields.kind],
    encode(payload, { next }) {
      const units = Math.ceil((body.length + 2) / 8);
      const header = new Uint8Array(units * 8);
      header[0] = fields.protocol ?? next?.ipProtocol ?? ipProtocol.none;
      header[1] = units - 1;
      header.set(body, 2);
      return concat(header, payload);
    },
  };
}

export type FragmentFields = {
  readonly id: number;
  /** Bytes, a multiple of 8. */
  readonly offset?: number;
  readonly more?: boolean;
  readonly protocol?: number;
};

/** An IPv6 fragment header (RFC 8200, 4.5), 8 bytes. */
export function fragmentLayer({ id, offset = 0, more, protocol }: FragmentFields): Layer {
  if (offset % 8 !== 0)
    throw new RangeError(`a fragment's offset is a multiple of 8, not ${offset}`);
  return {
    ipProtocol: ipProtocol.fragment,
    encode(payload, { next }) {
      const header = new Uint8Array(8);
      const view = new DataView(header.buffer);
      view.setUint8(0, protocol ?? next?.ipProtocol ?? ipProtocol.none);
      view.setUint16(2, offset | (more ? 1 : 0));
      view.setUint32(4, id);
      return concat(header, payload);
    },
  };
}
