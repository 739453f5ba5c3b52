// Cuts a whole packet into IP fragments, as a router (IPv4) or the sender (IPv6) would.
import { internetChecksum } from "./checksum.ts";
import { concat } from "./layer.ts";
import { etherType, ipProtocol } from "./names.ts";

const etherSize = 14;

/**
 * The fragments of an Ethernet frame holding an IPv4 or IPv6 packet (without extension headers): each carries
 * at most `size` bytes of what follows the IP header, rounded down to a multiple of 8.
 * `id` replaces the packet's own in IPv4.
 * @throws RangeError for a frame of anything else, or a size below 8
 */
export function cutIntoFragments(
  frame: Uint8Array,
  options: { readonly size: number; readonly id: number },
): Uint8Array[] {
  const size = options.size & ~7;
  if (size < 8) throw new RangeError(`fragments carry at least 8 bytes, not ${options.size}`);
  const type = new DataView(frame.buffer, frame.byteOffset).getUint16(12);
  if (type !== etherType.ipv4 && type !== etherType.ipv6)
    throw new RangeError(`cannot cut EtherType ${type.toString(16)} into fragments`);
  const headerSize = type === etherType.ipv6 ? 40 : ((frame[etherSize] as number) & 0xf) * 4;
  const start = etherSize + headerSize;
  const fragments: Uint8Array[] = [];
  for (let at = start; at < frame.length; at += size) {
    const part = frame.subarray(at, at + size);
    const more = at + size < frame.length;
    const header = frame.slice(0, start);
    const place = { id: options.id, offset: at - start, more, length: part.length };
    fragments.push(
      type === etherType.ipv4 ? fragment4(header, part, place) : fragment6(header, part, place),
    );
  }
  return fragments;
}

type Place = {
  readonly id: number;
  readonly offset: number;
  readonly more: boolean;
  readonly length: number;
};

function fragment4(header: Uint8Array, part: Uint8Array, place: Place): Uint8Array {
  const view = new DataView(header.buffer);
  view.setUint16(etherSize + 2, header.length - etherSize + place.length);
  view.setUint16(etherSize + 4, place.id);
  view.setUint16(etherSize + 6, (place.more ? 0x2000 : 0) | (place.offset / 8));
  view.setUint16(etherSize + 10, 0);
  view.setUint16(etherSize + 10, internetChecksum(header.subarray(etherSize)));
  return concat(header, part);
}

function fragment6(header: Uint8Array, part: Uint8Array, place: Place): Uint8Array {
  const view = new DataView(header.buffer);
  const extension = new Uint8Array(8);
  const extensionView = new DataView(extension.buffer);
  extensionView.setUint8(0, view.getUint8(etherSize + 6));
  extensionView.setUint16(2, place.offset | (place.more ? 1 : 0));
  extensionView.setUint32(4, place.id);
  view.setUint16(etherSize + 4, extension.length + place.length);
  view.setUint8(etherSize + 6, ipProtocol.fragment);
  return concat(header, extension, part);
}
