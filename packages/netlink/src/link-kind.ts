// Kinds of links and their own attributes (IFLA_LINKINFO; linux/if_link.h, linux/veth.h), both directions. Pure.
import type { Address } from "@tsilium/net";
import {
  address,
  readAttributes,
  text,
  u16be,
  u32,
  u8,
  type Attributes,
  type AttributeWriter,
} from "./attributes.ts";
import type { LinkAttributes } from "./link-codec.ts";

const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFLA_VXLAN_ID = 1;
const IFLA_VXLAN_LOCAL = 4;
const IFLA_VXLAN_LEARNING = 7;
const IFLA_VXLAN_PORT_RANGE = 10;
const IFLA_VXLAN_PORT = 15;
const IFLA_VXLAN_LOCAL6 = 17;
const IFLA_VXLAN_UDP_CSUM = 18;
const IFLA_VXLAN_UDP_ZERO_CSUM6_TX = 19;
const IFLA_VXLAN_UDP_ZERO_CSUM6_RX = 20;
const IFLA_VXLAN_COLLECT_METADATA = 25;
const IFLA_BR_STP_STATE = 5;
const IFLA_BR_VLAN_FILTERING = 7;
const IFLA_BR_MCAST_SNOOPING = 23;

export type VxlanOptions = {
  /** VNI; 0 with `collectMetadata`. */
  readonly id?: number;
  /** UDP destination port. */
  readonly port?: number;
  /** One device for every VNI and peer: programs set the tunnel key per packet ("external" in ip-link(8)). */
  readonly collectMetadata?: boolean;
  readonly learning?: boolean;
  readonly local?: Address;
  /** UDP source ports, first and last. */
  readonly sourcePorts?: readonly [number, number];
  readonly udpChecksum?: boolean;
  readonly zeroChecksum6Send?: boolean;
  readonly zeroChecksum6Receive?: boolean;
};

export type BridgeOptions = {
  readonly stp?: boolean;
  readonly vlanFiltering?: boolean;
  readonly multicastSnooping?: boolean;
};

/**
 * The other end of a veth. It is made down (the kernel answers ENOTCONN otherwise: veth_open wants both ends to
 * exist) and without a say in IPv6 address generation: set both afterwards, in the namespace it lives in.
 */
export type PeerAttributes = Omit<LinkAttributes, "kind" | "up" | "addrGenMode">;

export type LinkKind =
  /** Two ends of a wire; the peer is made with it, in its own namespace if `netnsFd` says so. */
  | { readonly type: "veth"; readonly peer?: PeerAttributes }
  | ({ readonly type: "vxlan" } & VxlanOptions)
  | ({ readonly type: "bridge" } & BridgeOptions)
  /** Any other kind by the kernel's name for it, with its defaults: "dummy", "ifb", "tun" (read only), ... */
  | { readonly type: "other"; readonly name: string };

/** How a veth's peer is written: as a whole link, header included, under `type`. */
type WritePeer = (writer: AttributeWriter, type: number, peer: PeerAttributes) => void;

/** Writes the contents of IFLA_LINKINFO. */
export function writeKind(writer: AttributeWriter, kind: LinkKind, writePeer: WritePeer): void {
  writer.text(IFLA_INFO_KIND, kind.type === "other" ? kind.name : kind.type);
  switch (kind.type) {
    case "veth": {
      const { peer } = kind;
      if (!peer) return;
      writer.nested(IFLA_INFO_DATA, (data) => writePeer(data, VETH_INFO_PEER, peer));
      return;
    }
    case "vxlan":
      writer.nested(IFLA_INFO_DATA, (data) => writeVxlan(data, kind));
      return;
    case "bridge":
      writer.nested(IFLA_INFO_DATA, (data) =>
        data
          .u32(IFLA_BR_STP_STATE, kind.stp === undefined ? undefined : Number(kind.stp))
          .bool(IFLA_BR_VLAN_FILTERING, kind.vlanFiltering)
          .bool(IFLA_BR_MCAST_SNOOPING, kind.multicastSnooping),
      );
      return;
    case "other":
  }
}

function writeVxlan(writer: AttributeWriter, vxlan: VxlanOptions): void {
  const { local, sourcePorts } = vxlan;
  writer
    .u32(IFLA_VXLAN_ID, vxlan.id)
    .u16be(IFLA_VXLAN_PORT, vxlan.port)
    .bool(IFLA_VXLAN_COLLECT_METADATA, vxlan.collectMetadata)
    .bool(IFLA_VXLAN_LEARNING, vxlan.learning)
    .bool(IFLA_VXLAN_UDP_CSUM, vxlan.udpChecksum)
    .bool(IFLA_VXLAN_UDP_ZERO_CSUM6_TX, vxlan.zeroChecksum6Send)
    .bool(IFLA_VXLAN_UDP_ZERO_CSUM6_RX, vxlan.zeroChecksum6Receive)
    .address(local?.family === 6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, local);
  if (!sourcePorts) return;
  // struct ifla_vxlan_port_range: two ports in network order.
  const [first, last] = sourcePorts;
  writer.raw(
    IFLA_VXLAN_PORT_RANGE,
    Uint8Array.of(first >> 8, first & 0xff, last >> 8, last & 0xff),
  );
}

/** Reads the contents of IFLA_LINKINFO; undefined when it names no kind. */
export function readKind(info: Attributes): LinkKind | undefined {
  const name = text(info.get(IFLA_INFO_KIND));
  const data = readAttributes(info.get(IFLA_INFO_DATA));
  switch (name) {
    case undefined:
      return undefined;
    case "veth":
      return { type: "veth" };
    case "vxlan":
      return { type: "vxlan", ...readVxlan(data) };
    case "bridge":
      return {
        type: "bridge",
        stp: (u32(data.get(IFLA_BR_STP_STATE)) ?? 0) !== 0,
        vlanFiltering: u8(data.get(IFLA_BR_VLAN_FILTERING)) === 1,
        multicastSnooping: u8(data.get(IFLA_BR_MCAST_SNOOPING)) === 1,
      };
    default:
      return { type: "other", name };
  }
}

function readVxlan(data: Attributes): VxlanOptions {
  const local = address(data.get(IFLA_VXLAN_LOCAL)) ?? address(data.get(IFLA_VXLAN_LOCAL6));
  const range = data.get(IFLA_VXLAN_PORT_RANGE);
  const firstPort = u16be(range);
  const lastPort = u16be(range?.subarray(2));
  return {
    id: u32(data.get(IFLA_VXLAN_ID)) ?? 0,
    port: u16be(data.get(IFLA_VXLAN_PORT)) ?? 0,
    // A flag (no data) until 5.x, a byte since: its presence with a non-zero byte, or with none, means yes.
    collectMetadata:
      data.has(IFLA_VXLAN_COLLECT_METADATA) && u8(data.get(IFLA_VXLAN_COLLECT_METADATA)) !== 0,
    learning: u8(data.get(IFLA_VXLAN_LEARNING)) === 1,
    udpChecksum: u8(data.get(IFLA_VXLAN_UDP_CSUM)) === 1,
    zeroChecksum6Send: u8(data.get(IFLA_VXLAN_UDP_ZERO_CSUM6_TX)) === 1,
    zeroChecksum6Receive: u8(data.get(IFLA_VXLAN_UDP_ZERO_CSUM6_RX)) === 1,
    ...(local ? { local } : {}),
    ...(firstPort && lastPort ? { sourcePorts: [firstPort, lastPort] as const } : {}),
  };
}
