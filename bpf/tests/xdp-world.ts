// Frames on the wires of xdp-netns.ts, and services whose backends are on other nodes.
import { TypedMap } from "@tsilium/ebpf";
import { Address, ether, type PacketBuilder, Prefix } from "@tsilium/net";
import * as abi from "../../packages/datapath/src/gen/abi.ts";
import { mappedBytes, prefixKey } from "../../packages/datapath/src/tables/address-key.ts";
import type { FrontendSpec, ServiceSpec } from "./service-spec.ts";
import { external } from "./service-world.ts";
import { type PacketLike, toBytes } from "./table.ts";
import {
  a,
  frame,
  identities,
  node,
  otherNode,
  remotePod,
  type Family,
  type IpOptions,
  type Party,
} from "./world.ts";
import { beside, links, unresolved, unroutable } from "./xdp-netns.ts";
import type { XdpNode } from "./xdp-node.ts";

/** Frames of clients, as the gateway sends them. */
export function fromClient(
  family: Family,
  parties: readonly [Party, Party],
  options: IpOptions = {},
): PacketBuilder {
  return frame(family, parties, { src: links.gateway, dst: links.eth0, ...options });
}

export function fromOtherNode(
  family: Family,
  parties: readonly [Party, Party],
  options: IpOptions = {},
): PacketBuilder {
  return frame(family, parties, { src: links.otherNode, dst: links.eth0, ...options });
}

/** What leaves by eth0, one hop older. */
export function sentTo(
  whom: "gateway" | "otherNode",
  family: Family,
  parties: readonly [Party, Party],
  options: IpOptions = {},
): PacketBuilder {
  return frame(family, parties, { src: links.eth0, dst: links[whom], ttl: 63, ...options });
}

export type Tunnel = {
  /** Of the tunnel's own headers. */
  readonly family?: Family;
  readonly vni?: number;
  readonly flags?: number;
  readonly trafficClass?: number;
  readonly from?: Party;
  readonly to?: Party;
};

/** What the other node sends through the tunnel. */
export function tunnelled(inner: PacketLike, tunnel: Tunnel = {}): PacketBuilder {
  const { family = 4, vni = identities.remotePod, trafficClass = 0, flags } = tunnel;
  const { from = otherNode, to = node } = tunnel;
  const link = ether({ src: links.otherNode, dst: links.eth0 });
  const [src, dst] = [from[family], to[family]];
  const ip =
    family === 4
      ? link.ipv4({ src, dst, tos: trafficClass })
      : link.ipv6({ src, dst, trafficClass });
  const udp = { sport: 50_000, dport: 8472, ...(family === 4 ? { checksum: 0 } : {}) };
  return ip
    .udp(udp)
    .vxlan({ vni, ...(flags === undefined ? {} : { flags }) })
    .payload(toBytes(inner));
}

/** A pod whose node is reached over IPv6. */
export const podBehindIpv6: Party = { 4: "10.244.2.10", 6: "fd00:10:244:2::a" };

/** Addresses of load balancers, by where their one backend is. */
export const lb = {
  pod: external(1),
  podBehindIpv6: external(2),
  otherNode: external(3),
  local: external(4),
  host: external(5),
  beside: external(6),
  unresolved: external(7),
  unroutable: external(8),
  nobody: external(10),
  ranged: external(11),
  clusterIp: external(12),
  dsr: external(13),
  dsrOutside: external(14),
} as const;

export const nodePort = 30_080;

export const services: readonly ServiceSpec[] = [
  one(lb.pod, remotePod),
  one(lb.podBehindIpv6, podBehindIpv6),
  one(lb.otherNode, otherNode),
  one(lb.local, a),
  one(lb.host, node),
  one(lb.beside, beside),
  one(lb.unresolved, unresolved),
  one(lb.unroutable, unroutable),
  one(lb.nobody, undefined),
  one(lb.ranged, remotePod, { sourceRanges: ["10.0.0.0/8", "fd00::/8"] }),
  one(lb.clusterIp, remotePod, { kind: "cluster-ip" }),
  one(lb.dsr, remotePod, { dsr: true }),
  one(lb.dsrOutside, otherNode, { dsr: true }),
  {
    frontends: [{ at: node, port: nodePort, kind: "node-port" }],
    backends: [{ at: remotePod, port: 8080 }],
  },
];

/** Port 80, on one backend's port 8080. */
function one(at: Party, backend: Party | undefined, more: Partial<FrontendSpec> = {}): ServiceSpec {
  return {
    frontends: [{ at, port: 80, kind: "external", ...more }],
    backends: backend ? [{ at: backend, port: 8080 }] : [],
  };
}

/** Puts these services, and the pod behind IPv6, into a node's maps. */
export function populate({ tc }: XdpNode): void {
  tc.services.set(services);
  const ipcache = new TypedMap(tc.map("tsi_ipcache"), abi.mapCodecs.tsi_ipcache);
  for (const [address, length] of [
    [podBehindIpv6[4], 32],
    [podBehindIpv6[6], 128],
  ] as const)
    ipcache.update(prefixKey(Prefix.parse(`${address}/${length}`)), {
      identity: identities.remotePod,
      cidrSet: 0,
      tunnelEndpoint: mappedBytes(Address.parse(otherNode[6])),
      flags: 0,
      owner: 1,
    });
}
