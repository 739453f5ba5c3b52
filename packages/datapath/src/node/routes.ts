// Which routes the node's stack needs to reach pods. Decided here, purely; node-routes.ts and devices.ts install them.
//
//   own pod CIDRs      -> tsi_host, whose eBPF program delivers to the pod
//   remote, tunnel     -> tsi_host, whose eBPF program encapsulates; with the smaller MTU
//   remote, native     -> the node's own address on the underlay, if auto-direct-node-routes says so
import { Address } from "@tsilium/net";
import type { Prefix } from "@tsilium/net";
import { routeMtu } from "./mtu.ts";
import type { DatapathConfig, RoutedNode } from "../model.ts";

/** A route in the main table. `device` undefined: the kernel finds it from the gateway, which must be on-link. */
export type DesiredRoute = {
  readonly destination: Prefix;
  readonly gateway: Address | undefined;
  readonly device: string | undefined;
  /** Source address that the host prefers when it speaks to these pods. */
  readonly source: Address | undefined;
  readonly mtu: number | undefined;
};

/** The device whose egress program takes packets from the host to pods, here and on other nodes. */
export const hostDevice = "tsi_host";

/**
 * IPv6 gateway behind tsi_host. No such neighbour exists: the device does not resolve (NOARP) and its program takes
 * every packet. With a gateway, the kernel keeps one neighbour entry and not one per pod. A device's own address, which
 * serves for IPv4, is refused as gateway in IPv6 (ip6_validate_gw).
 */
const hostGatewayIpv6 = Address.parse("fe80::1");

type RouteFacts = Pick<
  DatapathConfig,
  | "routingMode"
  | "autoDirectNodeRoutes"
  | "routerIpv4"
  | "routerIpv6"
  | "mtu"
  | "nodeIpv4"
  | "nodeIpv6"
  | "enableIpv4"
  | "enableIpv6"
>;

/**
 * Routes to this node's own pods. The host speaks to them with its own address: a server on a wildcard UDP socket
 * that a pod reached by the node's address then answers from that address and not from the router's.
 */
export function localRoutes(config: RouteFacts & Pick<DatapathConfig, "podCidrs">): DesiredRoute[] {
  return config.podCidrs
    .filter((cidr) => familyEnabled(config, cidr))
    .map((cidr) => ({
      ...routeThroughHost(config, cidr, undefined),
      source: cidr.family === 4 ? config.nodeIpv4 : config.nodeIpv6,
    }));
}

/** Routes to the pods of another node; none in native routing when the underlay's own routers know the way. */
export function remoteRoutes(config: RouteFacts, node: RoutedNode): DesiredRoute[] {
  const cidrs = node.podCidrs.filter((cidr) => familyEnabled(config, cidr));
  if (config.routingMode === "tunnel")
    return cidrs.map((cidr) => routeThroughHost(config, cidr, routeMtu({ ...config })));
  if (!config.autoDirectNodeRoutes) return [];
  return cidrs.flatMap((destination) => {
    const gateway = destination.family === 4 ? node.ipv4 : node.ipv6;
    if (gateway === undefined) return [];
    return [{ destination, gateway, device: undefined, source: undefined, mtu: undefined }];
  });
}

function routeThroughHost(
  config: RouteFacts,
  destination: Prefix,
  mtu: number | undefined,
): DesiredRoute {
  const source = destination.family === 4 ? config.routerIpv4 : config.routerIpv6;
  const gateway = destination.family === 4 ? config.routerIpv4 : hostGatewayIpv6;
  return { destination, gateway, device: hostDevice, source, mtu };
}

function familyEnabled(config: RouteFacts, cidr: Prefix): boolean {
  return cidr.family === 4 ? config.enableIpv4 : config.enableIpv6;
}
