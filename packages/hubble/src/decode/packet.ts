// What a packet's first bytes say, read where they lie. One reader is used for all packets: nothing is allocated, and no
// bytes make it throw or read beyond their end.
//
//   Ethernet (VLAN tags) -> IPv4, or IPv6 and its extension headers -> TCP, UDP, SCTP, ICMP

export type LayerKind = "" | "tcp" | "udp" | "sctp" | "icmp4" | "icmp6";

const etherType = { ipv4: 0x0800, ipv6: 0x86dd, vlan: 0x8100, serviceVlan: 0x88a8 } as const;
const protocols = { icmp4: 1, tcp: 6, udp: 17, icmp6: 58, sctp: 132 } as const;
/** Of IPv6: what another header can come behind. RFC 8200 4.1; Authentication RFC 4302; Mobility, HIP, Shim6. */
const hopByHop = 0;
const routing = 43;
const fragment = 44;
const authentication = 51;
const destinationOptions = 60;
const mobility = 135;
const hip = 139;
const shim6 = 140;

const macHeader = 14;
/** Up to the flags. */
const tcpNeeds = 14;

export class PacketReader {
  /** Whether there is an Ethernet header; MACs as numbers. */
  hasEthernet = false;
  destinationMac = 0;
  sourceMac = 0;
  /** 0: no header of IP is there, whole. */
  family: 0 | 4 | 6 = 0;
  /** Addresses by words in network order; of IPv4 only the last counts. */
  source0 = 0;
  source1 = 0;
  source2 = 0;
  source3 = 0;
  destination0 = 0;
  destination1 = 0;
  destination2 = 0;
  destination3 = 0;
  /** IP protocol. */
  protocol = 0;
  /** "": none, another one, or cut off. */
  l4: LayerKind = "";
  sourcePort = 0;
  destinationPort = 0;
  /** Of TCP, with NS as bit 8; -1: cut off. */
  tcpFlags = -1;
  icmpType = 0;
  icmpCode = 0;

  /** Reads the packet that begins at `start` and of which bytes up to `end` are there. */
  read(view: DataView, start: number, end: number): void {
    this.hasEthernet = false;
    this.family = 0;
    this.protocol = 0;
    this.l4 = "";
    this.sourcePort = 0;
    this.destinationPort = 0;
    if (end - start < macHeader) return;
    this.hasEthernet = true;
    this.destinationMac = view.getUint16(start) * 2 ** 32 + view.getUint32(start + 2);
    this.sourceMac = view.getUint16(start + 6) * 2 ** 32 + view.getUint32(start + 8);
    let at = start + macHeader;
    let type = view.getUint16(at - 2);
    for (let tags = 0; tags < 2 && isTag(type) && end - at >= 4; tags++) {
      type = view.getUint16(at + 2);
      at += 4;
    }
    if (type === etherType.ipv4) this.#ipv4(view, at, end);
    else if (type === etherType.ipv6) this.#ipv6(view, at, end);
  }

  #ipv4(view: DataView, at: number, end: number): void {
    if (end - at < 20) return;
    const first = view.getUint8(at);
    const length = (first & 0x0f) * 4;
    if (first >> 4 !== 4 || length < 20) return;
    this.family = 4;
    this.source3 = view.getUint32(at + 12);
    this.destination3 = view.getUint32(at + 16);
    this.protocol = view.getUint8(at + 9);
    // Only the first fragment has ports.
    if ((view.getUint16(at + 6) & 0x1fff) === 0) this.#layer4(view, at + length, end);
  }

  #ipv6(view: DataView, at: number, end: number): void {
    if (end - at < 40 || view.getUint8(at) >> 4 !== 6) return;
    this.family = 6;
    this.source0 = view.getUint32(at + 8);
    this.source1 = view.getUint32(at + 12);
    this.source2 = view.getUint32(at + 16);
    this.source3 = view.getUint32(at + 20);
    this.destination0 = view.getUint32(at + 24);
    this.destination1 = view.getUint32(at + 28);
    this.destination2 = view.getUint32(at + 32);
    this.destination3 = view.getUint32(at + 36);
    this.#behindExtensions(view, at + 40, end, view.getUint8(at + 6));
  }

  /** Each header is at least eight bytes long, so the end comes. */
  #behindExtensions(view: DataView, start: number, end: number, next: number): void {
    let at = start;
    this.protocol = next;
    while (isExtension(this.protocol)) {
      if (end - at < 8) return;
      const kind = this.protocol;
      const units = view.getUint8(at + 1);
      this.protocol = view.getUint8(at);
      if (kind === fragment && (view.getUint16(at + 2) & 0xfff8) !== 0) return;
      at += lengthOf(kind, units);
    }
    this.#layer4(view, at, end);
  }

  #layer4(view: DataView, at: number, end: number): void {
    const there = end - at;
    switch (this.protocol) {
      case protocols.tcp:
        if (there < 4) return;
        this.l4 = "tcp";
        this.tcpFlags = there < tcpNeeds ? -1 : view.getUint16(at + 12) & 0x1ff;
        break;
      case protocols.udp:
        if (there < 4) return;
        this.l4 = "udp";
        break;
      case protocols.sctp:
        if (there < 4) return;
        this.l4 = "sctp";
        break;
      case protocols.icmp4:
      case protocols.icmp6:
        if (there < 2) return;
        this.l4 = this.protocol === protocols.icmp4 ? "icmp4" : "icmp6";
        this.icmpType = view.getUint8(at);
        this.icmpCode = view.getUint8(at + 1);
        return;
      default:
        return;
    }
    this.sourcePort = view.getUint16(at);
    this.destinationPort = view.getUint16(at + 2);
  }
}

function isTag(type: number): boolean {
  return type === etherType.vlan || type === etherType.serviceVlan;
}

function isExtension(protocol: number): boolean {
  switch (protocol) {
    case hopByHop:
    case routing:
    case fragment:
    case authentication:
    case destinationOptions:
    case mobility:
    case hip:
    case shim6:
      return true;
    default:
      return false;
  }
}

/** Bytes of an extension header. @param units its second byte */
function lengthOf(kind: number, units: number): number {
  if (kind === fragment) return 8;
  return kind === authentication ? (units + 2) * 4 : (units + 1) * 8;
}
