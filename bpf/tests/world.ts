// The small world in which all packet tables play, and its frames.
//
//   a (fd00:10:244::a)  b            node-1 172.18.0.2      node-2 172.18.0.3      world 203.0.113.10
//   lo, ifindex 1      ifindex 12    router 10.244.0.1      pod r 10.244.1.10
//
// BPF_PROG_TEST_RUN meets its packets on lo, whose link address is zero: so pod a's interface is lo, and a
// frame for the router is addressed to zero; answers show the address that the endpoint's row has.
import { Address, ether, Mac, Prefix, type PacketBuilder } from "@tsilium/net";
import type {
  DatapathConfig,
  EndpointEntry,
  IpcacheEntry,
} from "../../packages/datapath/src/model.ts";
import { plainServices } from "../../packages/datapath/src/testing/service-config.ts";

export type Family = 4 | 6;

/** A party by its addresses of both families. */
export type Party = Readonly<Record<Family, string>>;

export const a: Party = { 4: "10.244.0.10", 6: "fd00:10:244::a" };
export const b: Party = { 4: "10.244.0.11", 6: "fd00:10:244::b" };
export const remotePod: Party = { 4: "10.244.1.10", 6: "fd00:10:244:1::a" };
export const nobody: Party = { 4: "10.244.0.99", 6: "fd00:10:244::99" };
export const node: Party = { 4: "172.18.0.2", 6: "fc00:18::2" };
export const otherNode: Party = { 4: "172.18.0.3", 6: "fc00:18::3" };
export const router: Party = { 4: "10.244.0.1", 6: "fd00:10:244::1" };
export const world: Party = { 4: "203.0.113.10", 6: "2001:db8:113::10" };
export const hop: Party = { 4: "198.51.100.1", 6: "2001:db8:51::1" };

export const macs = {
  a: "0a:00:00:00:00:0a",
  b: "0a:00:00:00:00:0b",
  gatewayOfA: "0e:00:00:00:00:0a",
  gatewayOfB: "0e:00:00:00:00:0b",
  stranger: "0a:00:00:00:00:99",
  /** lo, on which test runs meet packets. */
  here: "00:00:00:00:00:00",
};

export const identities = { a: 1001, b: 1002, remotePod: 2001 };

/** What the pods' policy is looked up by: no policy unless a test says so. */
export const subjects = { a: 1, b: 2 };

export const netnsCookies = { a: 7001n, b: 7002n };

export const endpoints: readonly EndpointEntry[] = [
  {
    id: 11,
    ifindex: 1,
    identity: identities.a,
    ipv4: Address.parse(a[4]),
    ipv6: Address.parse(a[6]),
    mac: Mac.parse(macs.a),
    nodeMac: Mac.parse(macs.gatewayOfA),
    subject: subjects.a,
    netnsCookie: netnsCookies.a,
  },
  {
    id: 12,
    ifindex: 12,
    identity: identities.b,
    ipv4: Address.parse(b[4]),
    ipv6: Address.parse(b[6]),
    mac: Mac.parse(macs.b),
    nodeMac: Mac.parse(macs.gatewayOfB),
    subject: subjects.b,
    netnsCookie: netnsCookies.b,
  },
];

export const ipcache: readonly IpcacheEntry[] = [
  ...entries("10.244.1.0/24", "fd00:10:244:1::/64", 6, otherNode[4]),
  ...entries(`${remotePod[4]}/32`, `${remotePod[6]}/128`, identities.remotePod, otherNode[4]),
  ...entries(`${otherNode[4]}/32`, `${otherNode[6]}/128`, 6, undefined),
  ...entries("0.0.0.0/0", "::/0", 2, undefined),
];

function entries(
  ipv4: string,
  ipv6: string,
  identity: number,
  tunnel: string | undefined,
): IpcacheEntry[] {
  const tunnelEndpoint = tunnel === undefined ? undefined : Address.parse(tunnel);
  return [ipv4, ipv6].map((prefix) => ({
    prefix: Prefix.parse(prefix),
    identity,
    tunnelEndpoint,
    owner: 100 + identity,
    cidrSet: 0,
  }));
}

/** The configuration of a row that does not care. */
export const standard: DatapathConfig = {
  enableIpv4: true,
  enableIpv6: true,
  routingMode: "tunnel",
  autoDirectNodeRoutes: false,
  tunnelPort: 8472,
  devices: ["eth0"],
  nodeIpv4: Address.parse(node[4]),
  nodeIpv6: Address.parse(node[6]),
  routerIpv4: Address.parse(router[4]),
  routerIpv6: Address.parse(router[6]),
  podCidrs: [Prefix.parse("10.244.0.0/24"), Prefix.parse("fd00:10:244::/64")],
  enableIpv4Masquerade: true,
  enableIpv6Masquerade: true,
  ipv4NativeRoutingCidr: Prefix.parse("10.244.0.0/16"),
  ipv6NativeRoutingCidr: Prefix.parse("fd00:10:244::/56"),
  mtu: 1500,
  natPortRange: [32768, 65535],
  conntrackMax: 1024,
  natMax: 1024,
  services: plainServices,
};

export type IpOptions = {
  readonly ttl?: number;
  readonly id?: number;
  readonly dontFragment?: boolean;
  readonly src?: string;
  readonly dst?: string;
};

/** The IP layer of either family; `src` and `dst` of the options are link addresses. */
export function frame(
  family: Family,
  [from, to]: readonly [Party, Party],
  options: IpOptions = {},
): PacketBuilder {
  const { ttl = 64, src = macs.a, dst = macs.here, id, dontFragment } = options;
  const link = ether({ src, dst });
  if (family === 6) return link.ipv6({ src: from[6], dst: to[6], hopLimit: ttl });
  return link.ipv4({
    src: from[4],
    dst: to[4],
    ttl,
    ...(id === undefined ? {} : { id }),
    ...(dontFragment === undefined ? {} : { dontFragment }),
  });
}

/** What pod a sends. */
export function fromA(family: Family, to: Party, options: IpOptions = {}): PacketBuilder {
  return frame(family, [a, to], options);
}

/** What reaches a pod: one hop older, from its gateway. */
export function toPod(
  pod: "a" | "b",
  family: Family,
  parties: readonly [Party, Party],
  options: IpOptions = {},
): PacketBuilder {
  const link =
    pod === "a" ? { src: macs.gatewayOfA, dst: macs.a } : { src: macs.gatewayOfB, dst: macs.b };
  return frame(family, parties, { ttl: 63, ...link, ...options });
}

/** An ICMP message of either family, by the meaning both share. */
export function icmp(
  packet: PacketBuilder,
  family: Family,
  kind: "echo-request" | "echo-reply",
  id: number,
): PacketBuilder {
  return family === 4
    ? packet.icmp({ type: kind, id, sequence: 1, payload: "ping" })
    : packet.icmpv6({ type: kind, id, sequence: 1, payload: "ping" });
}
