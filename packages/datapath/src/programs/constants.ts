// From configuration to the load-time constants of bpf/config.h. The names there are the names here.
import type { Address, Prefix } from "@tsilium/net";
import { mtuProblem, routeMtu } from "../node/mtu.ts";
import { DatapathError } from "../errors.ts";
import type { DatapathConfig, EventConfig, ServiceConfig } from "../model.ts";

/** What a constant can be set to; numbers for network-order types are given as they are read. */
export type ConstantValue = number | bigint | boolean | Uint8Array;

/** Devices that programs name by index, in the agent's network namespace; 0: there is none. */
export type DeviceIndexes = { readonly host: number; readonly vxlan: number };

/** What programs are told of the node. */
export type NodeFacts = DeviceIndexes & {
  /** SO_NETNS_COOKIE of the agent's network namespace. */
  readonly netnsCookie: bigint;
};

const routingModes = { tunnel: 0, native: 1 } as const;

/**
 * Every load-time constant of a configuration, by name. An object that lacks one does not use it.
 * @throws DatapathError bad_config when the configuration contradicts itself.
 */
export function loadTimeConstants(
  config: DatapathConfig,
  node: NodeFacts,
): Record<string, ConstantValue> {
  checkConfig(config);
  const [natPortMin, natPortMax] = config.natPortRange;
  return {
    enable_ipv4: config.enableIpv4,
    enable_ipv6: config.enableIpv6,
    routing_mode: routingModes[config.routingMode],
    tunnel_port: config.tunnelPort,
    tunnel_mtu: routeMtu(config),
    node_ipv4: addressBytes(config.nodeIpv4, 4),
    node_ipv6: addressBytes(config.nodeIpv6, 16),
    router_ipv4: addressBytes(config.routerIpv4, 4),
    router_ipv6: addressBytes(config.routerIpv6, 16),
    enable_ipv4_masquerade: config.enableIpv4Masquerade,
    enable_ipv6_masquerade: config.enableIpv6Masquerade,
    enable_ip_masq_agent: config.ipMasqAgent ?? false,
    ipv4_native_routing_cidr: addressBytes(config.ipv4NativeRoutingCidr?.address, 4),
    ipv4_native_routing_mask: maskBytes(config.ipv4NativeRoutingCidr, 4),
    ipv6_native_routing_cidr: addressBytes(config.ipv6NativeRoutingCidr?.address, 16),
    ipv6_native_routing_mask: maskBytes(config.ipv6NativeRoutingCidr, 16),
    nat_port_min: natPortMin,
    nat_port_max: natPortMax,
    tsi_host_ifindex: node.host,
    tsi_vxlan_ifindex: node.vxlan,
    enable_l7_proxy: config.l7Proxy ?? false,
    ...serviceConstants(config.services, node),
    ...(config.events ? eventConstants(config.events) : {}),
  };
}

function serviceConstants(
  services: ServiceConfig,
  { netnsCookie }: NodeFacts,
): Record<string, ConstantValue> {
  const [nodePortMin, nodePortMax] = services.nodePortRange;
  return {
    enable_node_port: services.nodePort,
    enable_dsr: services.dsr !== "none",
    enable_dsr_ipip: services.dsr === "ipip",
    enable_external_cluster_ip: services.externalClusterIp,
    node_port_min: nodePortMin,
    node_port_max: nodePortMax,
    socket_lb_host_only: services.socketLb === "host",
    host_netns_cookie: netnsCookie,
    maglev_size: services.maglevTableSize,
    maglev_seed: services.maglevSeed,
  };
}

/** What the kernel counts trace_interval in (bpf/lib/conntrack_entry.h). */
const traceTickMs = 2 ** 30 / 1e6;
const lastTick = 65_535;

function eventConstants(events: EventConfig): Record<string, ConstantValue> {
  const ticks = Math.round(events.traceIntervalMs / traceTickMs);
  return {
    events_per_second: events.verdictsPerSecond,
    traces_per_second: events.tracesPerSecond,
    trace_flags: events.traceFlags,
    // With 0 every packet would be due.
    trace_interval: Math.min(Math.max(ticks, 1), lastTick),
  };
}

function checkConfig(config: DatapathConfig): void {
  const problem =
    mtuProblem(config) ??
    familyProblem(config) ??
    rangeProblem("NAT", config.natPortRange) ??
    serviceProblem(config);
  if (problem !== undefined) throw new DatapathError("bad_config", problem);
}

function familyProblem(config: DatapathConfig): string | undefined {
  if (!config.enableIpv4 && !config.enableIpv6) return "neither enable-ipv4 nor enable-ipv6 is set";
  if (config.enableIpv4 && !config.routerIpv4)
    return "enable-ipv4 is set, but the node has no IPv4 router address";
  if (config.enableIpv6 && !config.routerIpv6)
    return "enable-ipv6 is set, but the node has no IPv6 router address";
  if (config.devices.length === 0) return "no device faces the underlay";
  return undefined;
}

/** A masqueraded connection must not get a port that clients reach services by. */
function serviceProblem({ services, natPortRange }: DatapathConfig): string | undefined {
  const { nodePortRange, maglevTableSize } = services;
  if (maglevTableSize < 1) return `a Maglev table of ${maglevTableSize} entries`;
  const problem = rangeProblem("node", nodePortRange);
  if (problem !== undefined || !services.nodePort) return problem;
  const [first, last] = nodePortRange;
  const overlap = first <= natPortRange[1] && natPortRange[0] <= last;
  return overlap
    ? `node port range ${first}-${last} overlaps the NAT port range ${natPortRange.join("-")}`
    : undefined;
}

function rangeProblem(what: string, [first, last]: readonly [number, number]): string | undefined {
  if (first >= 1 && last <= 65535 && first <= last) return undefined;
  return `${what} port range ${first}-${last} is not within 1-65535`;
}

/** All zero when there is no such address. */
function addressBytes(address: Address | undefined, size: 4 | 16): Uint8Array {
  return address?.bytes ?? new Uint8Array(size);
}

/** No prefix: all ones, which together with address 0 matches nothing (bpf/config.h). */
function maskBytes(prefix: Prefix | undefined, size: 4 | 16): Uint8Array {
  const mask = new Uint8Array(size);
  const bits = prefix === undefined ? size * 8 : prefix.length;
  for (let bit = 0; bit < bits; bit++) mask[bit >> 3] = (mask[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return mask;
}
