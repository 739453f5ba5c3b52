// Links (struct ifinfomsg and IFLA_* attributes; linux/if_link.h), both directions. Pure.
import { AF_INET6 } from "@tsilium/syscall";
import { Mac } from "@tsilium/net";
import { AttributeWriter, mac, readAttributes, text, u32, u8 } from "./attributes.ts";
import { readKind, writeKind, type LinkKind } from "./link-kind.ts";

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_TXQLEN = 13;
const IFLA_OPERSTATE = 16;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_AF_SPEC = 26;
const IFLA_GROUP = 27;
const IFLA_NET_NS_FD = 28;
const IFLA_EXT_MASK = 29;
const IFLA_NUM_TX_QUEUES = 31;
const IFLA_NUM_RX_QUEUES = 32;
const IFLA_LINK_NETNSID = 37;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const RTEXT_FILTER_SKIP_STATS = 8;

const IFF_UP = 0x1;
const IFF_NOARP = 0x80;
const IFF_PROMISC = 0x100;
const IFF_LOWER_UP = 0x10000;

/** How the kernel makes IPv6 link-local addresses: "none" leaves a link without one (IN6_ADDR_GEN_MODE_*). */
export type AddrGenMode = "eui64" | "none" | "stable-privacy" | "random";
const addrGenModes: readonly AddrGenMode[] = ["eui64", "none", "stable-privacy", "random"];

/** What can be told about a link when making or changing it. */
export type LinkAttributes = {
  /** Chosen index; the kernel picks one when absent. */
  readonly index?: number;
  readonly name?: string;
  readonly kind?: LinkKind;
  readonly mac?: Mac;
  readonly mtu?: number;
  readonly up?: boolean;
  /** Resolve no neighbours on this link: every address has the link's own broadcast or zero MAC. */
  readonly noArp?: boolean;
  readonly promiscuous?: boolean;
  /** Index of the bridge this becomes a port of; 0 releases it. */
  readonly master?: number;
  /** Descriptor of the network namespace to make it in, or move it to. */
  readonly netnsFd?: number;
  /** Number shared by links that are to be treated alike (ip-link(8) group); 0 is the default one. */
  readonly group?: number;
  readonly addrGenMode?: AddrGenMode;
  readonly alias?: string;
  /** Packets the transmit queue holds. */
  readonly txQueueLength?: number;
  readonly txQueues?: number;
  readonly rxQueues?: number;
};

/** A link as the kernel reports it. */
export type Link = {
  readonly index: number;
  readonly name: string;
  /** undefined for the loopback's and non-Ethernet links' lack of one. */
  readonly mac: Mac | undefined;
  readonly mtu: number;
  /** Administratively up. */
  readonly up: boolean;
  /** Has carrier: for a veth, the peer is up as well. */
  readonly running: boolean;
  readonly noArp: boolean;
  readonly promiscuous: boolean;
  /** RFC 2863 state, IF_OPER_*: 6 is up, 0 unknown. */
  readonly operState: number;
  /** undefined for hardware and loopback. */
  readonly kind: LinkKind | undefined;
  readonly master: number | undefined;
  /** Index of the underlying link, or of the veth's peer in the peer's namespace. */
  readonly link: number | undefined;
  /** nsid of the namespace that `link` is in; undefined when it is this one. */
  readonly linkNetnsId: number | undefined;
  readonly addrGenMode: AddrGenMode | undefined;
  readonly alias: string | undefined;
  readonly txQueueLength: number;
  readonly txQueues: number;
  readonly rxQueues: number;
};

/** Payload of RTM_NEWLINK, RTM_GETLINK, RTM_DELLINK. */
export function encodeLink(link: LinkAttributes): Uint8Array {
  const writer = new AttributeWriter(infoHeader(link));
  writeAttributes(writer, link);
  return writer.bytes();
}

/** Payload of RTM_GETLINK for one link, or for all; counters, the bulk of an answer, are left out. */
export function encodeLinkQuery(device: number | string | undefined): Uint8Array {
  const writer = new AttributeWriter(
    infoHeader(typeof device === "number" ? { index: device } : {}),
  );
  if (typeof device === "string") writer.text(IFLA_IFNAME, device);
  return writer.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS).bytes();
}

/** struct ifinfomsg: family, type, index, flags, and which of the flags are meant. */
function infoHeader(link: LinkAttributes): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setInt32(4, link.index ?? 0, true);
  const flags: readonly (readonly [boolean | undefined, number])[] = [
    [link.up, IFF_UP],
    [link.noArp, IFF_NOARP],
    [link.promiscuous, IFF_PROMISC],
  ];
  let value = 0;
  let change = 0;
  for (const [wanted, flag] of flags) {
    if (wanted === undefined) continue;
    change |= flag;
    if (wanted) value |= flag;
  }
  view.setUint32(8, value, true);
  view.setUint32(12, change, true);
  return bytes;
}

function writeAttributes(writer: AttributeWriter, link: LinkAttributes): void {
  writer
    .text(IFLA_IFNAME, link.name)
    .raw(IFLA_ADDRESS, link.mac?.bytes)
    .u32(IFLA_MTU, link.mtu)
    .u32(IFLA_MASTER, link.master)
    .u32(IFLA_TXQLEN, link.txQueueLength)
    .u32(IFLA_NUM_TX_QUEUES, link.txQueues)
    .u32(IFLA_NUM_RX_QUEUES, link.rxQueues)
    .u32(IFLA_GROUP, link.group)
    .u32(IFLA_NET_NS_FD, link.netnsFd)
    .raw(IFLA_IFALIAS, link.alias === undefined ? undefined : new TextEncoder().encode(link.alias));
  const { addrGenMode, kind } = link;
  if (addrGenMode !== undefined)
    writer.nested(IFLA_AF_SPEC, (families) =>
      families.nested(AF_INET6, (inet6) =>
        inet6.u8(IFLA_INET6_ADDR_GEN_MODE, addrGenModes.indexOf(addrGenMode)),
      ),
    );
  if (kind) writer.nested(IFLA_LINKINFO, (info) => writeKind(info, kind, writePeer));
}

function writePeer(writer: AttributeWriter, type: number, peer: LinkAttributes): void {
  writer.nested(type, (inner) => writeAttributes(inner, peer), infoHeader(peer));
}

/**
 * Reads RTM_NEWLINK and RTM_DELLINK; undefined for a payload without even its header,
 * and for what bridges say about their ports in the same words (family AF_BRIDGE): that is no news of the link.
 */
export function decodeLink(payload: Uint8Array): Link | undefined {
  if (payload.length < 16 || payload[0] !== 0) return undefined;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const flags = view.getUint32(8, true);
  const attributes = readAttributes(payload.subarray(16));
  const families = readAttributes(attributes.get(IFLA_AF_SPEC));
  const inet6 = readAttributes(families.get(AF_INET6));
  const hardware = mac(attributes.get(IFLA_ADDRESS));
  return {
    index: view.getInt32(4, true),
    name: text(attributes.get(IFLA_IFNAME)) ?? "",
    mac: hardware?.equals(Mac.zero) ? undefined : hardware,
    mtu: u32(attributes.get(IFLA_MTU)) ?? 0,
    up: (flags & IFF_UP) !== 0,
    running: (flags & IFF_LOWER_UP) !== 0,
    noArp: (flags & IFF_NOARP) !== 0,
    promiscuous: (flags & IFF_PROMISC) !== 0,
    operState: u8(attributes.get(IFLA_OPERSTATE)) ?? 0,
    kind: readKind(readAttributes(attributes.get(IFLA_LINKINFO))),
    master: u32(attributes.get(IFLA_MASTER)),
    link: u32(attributes.get(IFLA_LINK)),
    linkNetnsId: u32(attributes.get(IFLA_LINK_NETNSID)),
    addrGenMode: addrGenModes[u8(inet6.get(IFLA_INET6_ADDR_GEN_MODE)) ?? -1],
    alias: text(attributes.get(IFLA_IFALIAS)),
    txQueueLength: u32(attributes.get(IFLA_TXQLEN)) ?? 0,
    txQueues: u32(attributes.get(IFLA_NUM_TX_QUEUES)) ?? 1,
    rxQueues: u32(attributes.get(IFLA_NUM_RX_QUEUES)) ?? 1,
  };
}
