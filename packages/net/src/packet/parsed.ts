// What a packet says, layer by layer. A layer that is absent was not there, or lay beyond the captured bytes.
import type { Address } from "../address.ts";
import type { Mac } from "../mac.ts";
import type { TcpFlag } from "./names.ts";

/** "none": the sender computed none (UDP over IPv4). "unknown": not all covered bytes are here. */
export type ChecksumState = "ok" | "bad" | "none" | "unknown";

export type ParsedEthernet = {
  readonly source: Mac;
  readonly destination: Mac;
  readonly type: number;
};
export type ParsedVlan = { readonly id: number; readonly priority: number };

export type ParsedArp = {
  /** 1 request, 2 reply. */
  readonly operation: number;
  readonly senderMac: Mac;
  readonly sender: Address;
  readonly targetMac: Mac;
  readonly target: Address;
};

export type ParsedFragment = {
  readonly id: number;
  /** Bytes. */
  readonly offset: number;
  readonly more: boolean;
};

export type ParsedIp = {
  readonly version: 4 | 6;
  readonly source: Address;
  readonly destination: Address;
  /** TTL or hop limit. */
  readonly ttl: number;
  /** DSCP and ECN. */
  readonly trafficClass: number;
  /** Of what follows all extension headers. */
  readonly protocol: number;
  /** From the IP header on, as the header claims, bytes. */
  readonly length: number;
  /** IPv4 only. */
  readonly dontFragment: boolean;
  /** Present on fragments only. */
  readonly fragment?: ParsedFragment;
  /** IPv6: numbers of the extension headers passed over, in order. */
  readonly extensions: readonly number[];
  /** IPv4: what follows the 20 bytes that every header has. IPv6: what destination options headers hold, in order. */
  readonly options?: Uint8Array;
  /** IPv4 header checksum; "none" in IPv6. */
  readonly checksum: ChecksumState;
};

export type ParsedTcp = {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly flags: readonly TcpFlag[];
  readonly seq: number;
  readonly ack: number;
  readonly window: number;
  readonly checksum: ChecksumState;
};

export type ParsedUdp = {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Header and payload, as the header claims, bytes. */
  readonly length: number;
  readonly checksum: ChecksumState;
};

export type ParsedSctp = {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Verification tag. */
  readonly tag: number;
  readonly checksum: ChecksumState;
};

/** ICMP or ICMPv6; which, tells the IP version. */
export type ParsedIcmp = {
  readonly type: number;
  readonly code: number;
  readonly checksum: ChecksumState;
  /** Of echo messages. */
  readonly id?: number;
  readonly sequence?: number;
  /** Of "fragmentation needed" and "packet too big". */
  readonly mtu?: number;
  /** Of neighbour solicitations and advertisements. */
  readonly target?: Address;
  readonly linkLayer?: Mac;
  /** The packet an error complains about, as much as it quotes. */
  readonly quoted?: ParsedPacket;
};

export type ParsedVxlan = {
  readonly vni: number;
  readonly flags: number;
  readonly inner: ParsedPacket;
};

export type ParsedPacket = {
  readonly ethernet?: ParsedEthernet;
  readonly vlan?: ParsedVlan;
  readonly arp?: ParsedArp;
  readonly ip?: ParsedIp;
  readonly tcp?: ParsedTcp;
  readonly udp?: ParsedUdp;
  readonly sctp?: ParsedSctp;
  readonly icmp?: ParsedIcmp;
  readonly vxlan?: ParsedVxlan;
  /** An IP packet that IP carries as it is (RFC 2003, RFC 2473). */
  readonly inner?: ParsedPacket;
  /** What the innermost parsed header carries, as far as captured. A view, not a copy. */
  readonly payload: Uint8Array;
  /** The headers promise more bytes than are here (events carry the first 128). */
  readonly truncated?: boolean;
  /** Why parsing stopped before the end: the packet is malformed. */
  readonly error?: string;
};
