// Pure values of networking: addresses, prefixes, MACs, labels, and packets in both directions.
export { Address, bitsOf, type Family } from "./address.ts";
export {
  compileDnsPattern,
  normalizeDnsName,
  type DnsNameMatcher,
  type DnsPattern,
} from "./dns-name.ts";
export { AddressError, type AddressErrorCode } from "./errors.ts";
export { formatLabel, parseLabel, Labels, type Label } from "./labels.ts";
export { Mac } from "./mac.ts";
export { Prefix, type PrefixOptions } from "./prefix.ts";
export { PrefixTrie } from "./prefix-trie.ts";
export type { ArpFields, EtherFields, VlanFields, VxlanFields } from "./packet/build-link.ts";
export type { ExtensionFields, FragmentFields, Ipv4Fields, Ipv6Fields } from "./packet/build-ip.ts";
export type { SctpFields } from "./packet/build-sctp.ts";
export type { IcmpFields, Icmpv6Fields, TcpFields, UdpFields } from "./packet/build-transport.ts";
export { ether, ipv4, ipv6, PacketBuilder } from "./packet/builder.ts";
export { internetChecksum } from "./packet/checksum.ts";
export { cutIntoFragments } from "./packet/cut.ts";
export { describePacket, formatPacket } from "./packet/format.ts";
export type { AddressLike, MacLike, PayloadLike } from "./packet/layer.ts";
export {
  etherType,
  icmpTypes,
  icmpv6Types,
  ipProtocol,
  protocolName,
  type IcmpType,
  type Icmpv6Type,
  type TcpFlag,
} from "./packet/names.ts";
export { parsePacket, type ParseOptions } from "./packet/parse.ts";
export type * from "./packet/parsed.ts";
