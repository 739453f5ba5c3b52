// Tsilium's own interfaces in the node's namespace, made once and adopted afterwards:
//
//   host's stack --- tsi_host ===== tsi_net        tsi_host's egress program takes everything for pods
//                    (router addresses)
//   tsi_vxlan        one device for all peers; programs set and read the tunnel key per packet
import type { Address } from "@tsilium/net";
import { NetlinkError } from "@tsilium/netlink";
import type { Link, LinkKind, Rtnl } from "@tsilium/netlink";
import type { DeviceIndexes } from "../programs/constants.ts";
import { DatapathError } from "../errors.ts";
import type { DatapathConfig } from "../model.ts";
import { deviceMtu } from "./mtu.ts";
import { hostDevice } from "./routes.ts";
import { applySysctls, keepRouterAdvertisements, reservePorts, sysctlsFor } from "./sysctls.ts";

const peerDevice = "tsi_net";
export const overlayDevice = "tsi_vxlan";

/** Indexes of our devices, and of the configured underlay devices by name. */
export type NodeDevices = DeviceIndexes & { readonly underlay: ReadonlyMap<string, number> };

/**
 * Brings the node's devices, their settings and router addresses to what the configuration says. Idempotent: what is
 * right stays untouched, so packets keep flowing. Runs in the agent's namespace.
 * @throws DatapathError device_missing for an underlay device that does not exist; NetlinkError
 */
export function ensureDevices(rtnl: Rtnl, config: DatapathConfig): NodeDevices {
  const underlay = underlayDevices(rtnl, config.devices);
  const mtu = deviceMtu(config);
  ensureHostPair(rtnl, mtu);
  ensureOverlay(rtnl, config, mtu);
  ensureSysctls(config);
  ensureAddresses(rtnl, config);
  return {
    host: rtnl.links.index(hostDevice),
    vxlan: config.routingMode === "tunnel" ? rtnl.links.index(overlayDevice) : 0,
    underlay,
  };
}

/** Deletes our devices; addresses and routes go with them. */
export function deleteDevices(rtnl: Rtnl): void {
  rtnl.links.delete(hostDevice);
  rtnl.links.delete(overlayDevice);
}

/** Their indexes, by name. @throws DatapathError device_missing */
export function underlayDevices(rtnl: Rtnl, names: readonly string[]): ReadonlyMap<string, number> {
  return new Map(names.map((name) => [name, underlayIndex(rtnl, name)]));
}

function underlayIndex(rtnl: Rtnl, name: string): number {
  const link = rtnl.links.get(name);
  if (link === undefined)
    throw new DatapathError("device_missing", `no device ${name} in the node's network namespace`);
  return link.index;
}

/** NOARP: tsi_host's program takes every packet, there is nobody to resolve. */
function ensureHostPair(rtnl: Rtnl, mtu: number): void {
  const kind: LinkKind = { type: "veth", peer: { name: peerDevice, mtu } };
  ensureLink(rtnl, { name: hostDevice, kind, mtu, fits: (link) => link.kind?.type === "veth" });
  rtnl.links.set(peerDevice, { addrGenMode: "none", noArp: true, mtu });
  rtnl.links.set(hostDevice, { addrGenMode: "none", noArp: true, mtu });
  for (const name of [peerDevice, hostDevice]) rtnl.links.set(name, { up: true });
}

function ensureOverlay(rtnl: Rtnl, config: DatapathConfig, mtu: number): void {
  if (config.routingMode !== "tunnel") {
    rtnl.links.delete(overlayDevice);
    return;
  }
  const kind: LinkKind = {
    type: "vxlan",
    id: 0,
    port: config.tunnelPort,
    collectMetadata: true,
    learning: false,
    zeroChecksum6Receive: true,
  };
  const fits = ({ kind: found }: Link): boolean =>
    found?.type === "vxlan" && found.collectMetadata === true && found.port === config.tunnelPort;
  ensureLink(rtnl, { name: overlayDevice, kind, mtu, fits });
  rtnl.links.set(overlayDevice, { addrGenMode: "none", mtu });
  rtnl.links.set(overlayDevice, { up: true });
}

type WantedLink = {
  readonly name: string;
  readonly kind: LinkKind;
  readonly mtu: number;
  /** Whether a link of this name can be used as it is; else it is made anew. */
  readonly fits: (link: Link) => boolean;
};

function ensureLink(rtnl: Rtnl, { name, kind, mtu, fits }: WantedLink): void {
  const found = rtnl.links.get(name);
  if (found !== undefined && fits(found)) return;
  if (found !== undefined) rtnl.links.delete(name);
  rtnl.links.add({ name, kind, mtu });
}

/** The settings of our devices and of the underlay's. Idempotent. */
export function ensureSysctls(config: DatapathConfig): void {
  const ownDevices = [
    hostDevice,
    peerDevice,
    ...(config.routingMode === "tunnel" ? [overlayDevice] : []),
  ];
  const { enableIpv4, enableIpv6, devices, services } = config;
  const kept = enableIpv6 ? keepRouterAdvertisements(devices) : [];
  const reserved = services.bindProtection ? reservePorts(services.nodePortRange) : [];
  const wanted = sysctlsFor({ enableIpv4, enableIpv6, ownDevices, devices });
  applySysctls([...kept, ...wanted, ...reserved]);
}

/** Router addresses on tsi_host, and nothing else there: an old one would make the node answer for a pod's address. */
function ensureAddresses(rtnl: Rtnl, config: DatapathConfig): void {
  const wanted = [config.enableIpv4 && config.routerIpv4, config.enableIpv6 && config.routerIpv6];
  const addresses = wanted.filter((address): address is Address => address instanceof Object);
  for (const row of rtnl.addresses.list({ device: hostDevice })) {
    if (row.address.isLinkLocal || addresses.some((address) => address.equals(row.address)))
      continue;
    rtnl.addresses.delete({ device: hostDevice, address: row.address, length: row.length });
  }
  for (const address of addresses) addIfAbsent(rtnl, address);
}

function addIfAbsent(rtnl: Rtnl, address: Address): void {
  try {
    rtnl.addresses.add({ device: hostDevice, address, noDad: true });
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "EEXIST")) throw error;
  }
}

/** Every address the node itself answers for, loopback and link-local ones aside. */
export function nodeAddresses(rtnl: Rtnl): Address[] {
  return rtnl.addresses
    .list()
    .map(({ address }) => address)
    .filter((address) => !address.isLoopback && !address.isLinkLocal);
}
