// The datapath's configuration, from the agent's configuration and what the node is. Pure but for `underlay`.
import type { DatapathConfig } from "@tsilium/datapath/model.ts";
import { Rtnl } from "@tsilium/netlink";
import { type Address, Prefix } from "@tsilium/net";
import type { AgentConfig } from "../config/keys.ts";
import { eventConfig } from "../hubble/event-config.ts";
import { serviceConfig } from "../services/datapath-config.ts";
import { chooseDevices } from "./device-choice.ts";
import type { NodeFacts } from "./facts.ts";

/** The devices that face the underlay, and the smallest of their MTUs in bytes. */
export type Underlay = { readonly devices: readonly string[]; readonly mtu: number };

/** Masquerading uses ports above the NodePort range, as Cilium does. */
const lastPort = 65535;

/** @param podRanges where pods are known by their own addresses, the first one first; absent: as the configuration says */
export function datapathConfig(
  config: AgentConfig,
  facts: NodeFacts,
  underlay: Underlay,
  podRanges?: readonly Prefix[],
): DatapathConfig {
  const enableIpv4 = config["enable-ipv4"];
  const enableIpv6 = config["enable-ipv6"];
  const [, lastNodePort] = config["node-port-range"];
  const conntrackMax = Math.max(config["bpf-ct-global-tcp-max"], config["bpf-ct-global-any-max"]);
  return {
    enableIpv4,
    enableIpv6,
    routingMode: config["routing-mode"],
    tunnelPort: config["tunnel-port"],
    devices: underlay.devices,
    nodeIpv4: facts.ipv4,
    nodeIpv6: facts.ipv6,
    routerIpv4: enableIpv4 ? facts.routerIpv4 : undefined,
    routerIpv6: enableIpv6 ? facts.routerIpv6 : undefined,
    podCidrs: facts.podCidrs,
    enableIpv4Masquerade: enableIpv4 && config["enable-ipv4-masquerade"],
    enableIpv6Masquerade: enableIpv6 && config["enable-ipv6-masquerade"],
    // Ranges beside the first one are named while programs run.
    ipMasqAgent: config["enable-ip-masq-agent"] || podRanges !== undefined,
    ipv4NativeRoutingCidr:
      config["ipv4-native-routing-cidr"] ??
      podRanges?.[0] ??
      clusterRange(4, config["cluster-pool-ipv4-cidr"]),
    ipv6NativeRoutingCidr:
      config["ipv6-native-routing-cidr"] ?? clusterRange(6, config["cluster-pool-ipv6-cidr"]),
    mtu: config.mtu === 0 ? underlay.mtu : config.mtu,
    natPortRange: [Math.min(lastNodePort + 1, lastPort), lastPort],
    conntrackMax: conntrackMax === 0 ? undefined : conntrackMax,
    natMax: config["bpf-nat-global-max"] === 0 ? undefined : config["bpf-nat-global-max"],
    policyMax: config["bpf-policy-map-max"] === 0 ? undefined : config["bpf-policy-map-max"],
    autoDirectNodeRoutes: config["auto-direct-node-routes"],
    services: serviceConfig(config),
    l7Proxy: config["enable-l7-proxy"],
    events: eventConfig(config),
  };
}

/** Where the operator takes pod CIDRs from when nobody says. */
const defaultRanges = { 4: "10.0.0.0/8", 6: "fd00::/56" } as const;

/** Pods reach pods with their own address: the range that all pod CIDRs come from is not masqueraded. */
function clusterRange(family: 4 | 6, ranges: readonly string[]): Prefix {
  return Prefix.parse(ranges[0] ?? defaultRanges[family]);
}

/**
 * Looks at the node's interfaces, in the agent's network namespace. Of configured ones some may not be there yet.
 * @throws Error when no device carries the node's addresses, or no configured one is there.
 */
export function underlay(
  configured: readonly string[],
  addresses: readonly Address[],
  more: readonly string[] = [],
): Underlay {
  using rtnl = Rtnl.open();
  const links = rtnl.links.list();
  const facts = { links, addresses: rtnl.addresses.list() };
  const found = chooseDevices(facts, { patterns: configured, nodeAddresses: addresses });
  if (found.length === 0) {
    const wanted = configured.filter((pattern) => !pattern.startsWith("!"));
    throw new Error(
      wanted.length > 0
        ? `devices: there is no interface ${wanted.join(", ")}`
        : `no interface carries ${addresses.join(" or ")}: set devices`,
    );
  }
  const names = new Set([...found, ...more]);
  const used = links.filter(({ name }) => names.has(name));
  return {
    devices: used.map(({ name }) => name),
    mtu: Math.min(...used.map(({ mtu }) => mtu)),
  };
}
