// A veth pair that another plugin made, taken over: found from the pod's end, and set up so that all the pod sends comes
// through eBPF on the node's end.
//
//   pod: eth0 10.22.0.5/24 <==== veth ====> node: vethXXXX (port of a bridge, or with a route of its own)
//
// The pod's neighbours are no longer asked for (eBPF carries no ARP from pod to pod): its gateway has the node's end's
// address for good, and its subnet is behind the gateway.
import { closeSync, writeFileSync } from "node:fs";
import { type Address, type Mac, Prefix } from "@tsilium/net";
import { type Link, type Route, Rtnl } from "@tsilium/netlink";
import { EndpointError } from "./error.ts";
import { openNetns } from "./netns.ts";

/** A pod's interface as another plugin left it. */
export type ChainedInterface = {
  /** The node's end. */
  readonly interfaceName: string;
  readonly ifindex: number;
  readonly nodeMac: Mac;
  /** The pod's end. */
  readonly mac: Mac;
  /** On the pod's end, link-local ones left out. */
  readonly addresses: readonly Address[];
};

/**
 * Finds both ends.
 * @throws EndpointError interface_missing, interface_mismatch (it is no veth pair with one end here), netns_gone,
 *   netns_invalid
 */
export function findChained(netns: string, containerInterface: string): ChainedInterface {
  const netnsFd = openNetns(netns);
  try {
    using pod = Rtnl.open({ netns: netnsFd });
    using node = Rtnl.open();
    const inside = pod.links.get(containerInterface);
    if (!inside) {
      const where = `${containerInterface} in ${netns}`;
      throw new EndpointError("interface_missing", `${where}: the plugin before made none`);
    }
    const outside = peerOf(inside, node);
    if (!outside?.mac || !inside.mac)
      throw new EndpointError(
        "interface_mismatch",
        `${containerInterface} is no veth to this node`,
      );
    return {
      interfaceName: outside.name,
      ifindex: outside.index,
      nodeMac: outside.mac,
      mac: inside.mac,
      addresses: pod.addresses
        .list({ device: inside.index })
        .map(({ address }) => address)
        .filter((address) => !linkLocal.contains(address)),
    };
  } finally {
    closeSync(netnsFd);
  }
}

/**
 * Makes the pod send everything to the node's end. Idempotent.
 * @throws EndpointError netns_gone, netns_invalid; NetlinkError
 */
export function adoptChained(
  netns: string,
  containerInterface: string,
  { interfaceName, nodeMac }: Pick<ChainedInterface, "interfaceName" | "nodeMac">,
): void {
  const netnsFd = openNetns(netns);
  try {
    using pod = Rtnl.open({ netns: netnsFd });
    const device = pod.links.index(containerInterface);
    for (const family of [4, 6] as const) {
      const routes = pod.routes
        .list()
        .filter((route) => route.destination.family === family && route.device === device);
      const gateways = new Map(
        routes.flatMap(({ gateway }) => (gateway ? [[gateway.toString(), gateway] as const] : [])),
      );
      for (const gateway of gateways.values())
        pod.neighbours.replace({ device, address: gateway, mac: nodeMac, state: "permanent" });
      const [gateway] = gateways.values();
      if (gateway) routeSubnets(pod, { device, routes, gateway });
    }
  } finally {
    closeSync(netnsFd);
  }
  using node = Rtnl.open();
  const link = node.links.get(interfaceName);
  const master = link?.master === undefined ? undefined : node.links.get(link.master);
  // The way back to the pod is another interface's: that of all pods.
  for (const name of [interfaceName, master?.name])
    if (name) writeFileSync(`/proc/sys/net/ipv4/conf/${name}/rp_filter`, "0");
}

const linkLocal = Prefix.parse("fe80::/10");

/** Neighbours of the pod's subnet are reached by the gateway, which itself is on the link. */
function routeSubnets(
  pod: Rtnl,
  {
    device,
    routes,
    gateway,
  }: { readonly device: number; readonly routes: readonly Route[]; readonly gateway: Address },
): void {
  const onLink = routes.filter(
    ({ destination, gateway: via }) =>
      !via && !destination.isHost && destination.contains(gateway) && destination.length > 0,
  );
  if (onLink.length === 0) return;
  pod.routes.replace({ destination: Prefix.host(gateway), device, scope: "link" });
  for (const { destination, protocol } of onLink) {
    pod.routes.delete({ destination, device, protocol });
    pod.routes.replace({ destination, device, gateway });
  }
}

/** Both say of each other that they are a pair. */
function peerOf(inside: Link, node: Rtnl): Link | undefined {
  if (inside.kind?.type !== "veth" || inside.link === undefined) return undefined;
  const outside = node.links.list().find(({ index }) => index === inside.link);
  const isPair = outside?.kind?.type === "veth" && outside.link === inside.index;
  return isPair ? outside : undefined;
}
