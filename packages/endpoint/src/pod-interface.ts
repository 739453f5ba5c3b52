// A pod's interface: a veth pair, one end in the pod with its addresses and routes, the other on the node.
//
//   pod: eth0  10.244.0.7/32                          node: lxc...  (no addresses; an eBPF program takes
//        10.244.0.1 dev eth0 scope link     <=====>          every packet)
//        default via 10.244.0.1 mtu 1450
//
// The gateway is nobody's neighbour: eBPF on the node's end answers ARP and neighbour solicitation for it.
import { closeSync, writeFileSync } from "node:fs";
import { type Address, type Mac, Prefix } from "@tsilium/net";
import { type Link, NetlinkError, Rtnl } from "@tsilium/netlink";
import { withNetns } from "@tsilium/syscall";
import { EndpointError } from "./error.ts";
import type { Endpoint } from "./model.ts";
import { openNetns } from "./netns.ts";

/** What every pod's interface of a node has in common. */
export type PodNetwork = {
  /** tsi_host's addresses: the pods' gateways, one per enabled family. */
  readonly gatewayIpv4: Address | undefined;
  readonly gatewayIpv6: Address | undefined;
  /** MTU of both ends, bytes. */
  readonly deviceMtu: number;
  /** MTU of the pod's default routes, bytes. */
  readonly routeMtu: number;
};

export type PodInterfaceSpec = Pick<
  Endpoint,
  "interfaceName" | "containerInterface" | "netns" | "mac" | "nodeMac" | "ipv4" | "ipv6"
>;

/** What CHECK compares. */
export type FoundInterface = {
  readonly mac: Mac | undefined;
  readonly up: boolean;
  readonly addresses: readonly Prefix[];
};

/** Link group of interfaces about to be removed; nothing else uses the number ("ts"). */
const leavingGroup = 0x7473;

/** Makes and removes pods' interfaces from within the agent's network namespace. Synchronous, under a millisecond. */
export class PodInterfaces implements Disposable {
  readonly network: PodNetwork;
  readonly #node: Rtnl;
  /** Interfaces to be removed in the next turn of the event loop, with those who wait for it. */
  #leaving: { readonly name: string; readonly gone: PromiseWithResolvers<void> }[] = [];

  constructor(network: PodNetwork) {
    this.network = network;
    this.#node = Rtnl.open();
  }

  [Symbol.dispose](): void {
    this.#node[Symbol.dispose]();
  }

  /**
   * Makes the interface, complete and up. On failure nothing of it is left.
   * @returns the node's end
   * @throws EndpointError netns_gone, netns_invalid, interface_exists, kernel_refused
   */
  create(spec: PodInterfaceSpec): Link {
    const netnsFd = openNetns(spec.netns);
    try {
      return this.#createIn(netnsFd, spec);
    } catch (error) {
      if (error instanceof EndpointError) throw error;
      throw new EndpointError("kernel_refused", (error as Error).message, { cause: error });
    } finally {
      closeSync(netnsFd);
    }
  }

  /** Removes both ends; false when they were gone. @throws NetlinkError */
  remove(interfaceName: string): boolean {
    return this.#node.links.delete(interfaceName);
  }

  /**
   * Removes both ends, in one call with all others that are to be removed at the time: the kernel takes about
   * 20 ms for a call, and no longer for many. Fine when they are gone. @throws NetlinkError
   */
  removeTogether(interfaceName: string): Promise<void> {
    const gone = Promise.withResolvers<void>();
    if (this.#leaving.length === 0) setImmediate(() => this.#removeLeaving());
    this.#leaving.push({ name: interfaceName, gone });
    return gone.promise;
  }

  /** The node's end. */
  find(interfaceName: string): Link | undefined {
    return this.#node.links.get(interfaceName);
  }

  /** The pod's end as it is now; undefined when there is none. @throws EndpointError netns_gone, netns_invalid */
  inspect(netns: string, containerInterface: string): FoundInterface | undefined {
    const netnsFd = openNetns(netns);
    try {
      using pod = Rtnl.open({ netns: netnsFd });
      const link = pod.links.get(containerInterface);
      if (!link) return undefined;
      const addresses = pod.addresses
        .list({ device: link.index })
        .map(({ address, length }) => Prefix.of(address, length, { mask: true }));
      return { mac: link.mac, up: link.up, addresses };
    } finally {
      closeSync(netnsFd);
    }
  }

  #removeLeaving(): void {
    const leaving = this.#leaving;
    this.#leaving = [];
    for (const { name, gone } of leaving) {
      try {
        this.#node.links.set(name, { group: leavingGroup });
      } catch (error) {
        if (error instanceof NetlinkError && error.code === "ENODEV") gone.resolve();
        else gone.reject(error);
      }
    }
    try {
      this.#node.links.deleteGroup(leavingGroup);
      for (const { gone } of leaving) gone.resolve();
    } catch (error) {
      for (const { gone } of leaving) gone.reject(error);
    }
  }

  #createIn(netnsFd: number, spec: PodInterfaceSpec): Link {
    const { interfaceName, containerInterface } = spec;
    using pod = Rtnl.open({ netns: netnsFd });
    if (pod.links.get(containerInterface)) {
      throw new EndpointError(
        "interface_exists",
        `${spec.netns} has an interface ${containerInterface}`,
      );
    }
    this.#addPair(netnsFd, spec);
    try {
      withNetns(netnsFd, () => setUpIpv6(containerInterface, this.network.gatewayIpv6));
      configurePod(pod, spec, this.network);
      // Replies to a pod may come by another way than the node's routes to it.
      writeSetting(`ipv4/conf/${interfaceName}/rp_filter`, "0");
      const link = this.#node.links.get(interfaceName);
      if (link) return link;
      throw new EndpointError("kernel_refused", `${interfaceName} vanished while it was made`);
    } catch (error) {
      this.remove(interfaceName);
      throw error;
    }
  }

  #addPair(netnsFd: number, spec: PodInterfaceSpec): void {
    const { deviceMtu: mtu } = this.network;
    const pair = {
      name: spec.interfaceName,
      mac: spec.nodeMac,
      mtu,
      up: true,
      addrGenMode: "none" as const,
      kind: {
        type: "veth" as const,
        peer: { name: spec.containerInterface, mac: spec.mac, mtu, netnsFd },
      },
    };
    try {
      this.#node.links.add(pair);
    } catch (error) {
      // The name is made from the attachment: it can only be what an ADD of the same attachment left.
      if (!(error instanceof NetlinkError) || error.code !== "EEXIST" || !this.remove(pair.name))
        throw error;
      this.#node.links.add(pair);
    }
  }
}

function configurePod(pod: Rtnl, spec: PodInterfaceSpec, network: PodNetwork): void {
  const device = pod.links.index(spec.containerInterface);
  const families = [
    { address: spec.ipv4, gateway: network.gatewayIpv4 },
    { address: spec.ipv6, gateway: network.gatewayIpv6 },
  ];
  pod.batch(({ links, addresses, routes }) => {
    links.set(device, { up: true });
    for (const { address, gateway } of families) {
      if (!address || !gateway) continue;
      addresses.add({ device, address, noDad: true });
      routes.add({ destination: Prefix.host(gateway), device, scope: "link" });
      const destination = Prefix.of(gateway, 0, { mask: true });
      routes.add({ destination, gateway, device, mtu: network.routeMtu });
    }
  });
}

/**
 * IPv6 on, and what a pod has no use for off: duplicate address detection (addresses are ours to hand out),
 * and router advertisements (a pod must not believe another's). Without a gateway IPv6 is off: not even a
 * link-local address.
 */
function setUpIpv6(device: string, gateway: Address | undefined): void {
  if (!gateway) return writeSetting(`ipv6/conf/${device}/disable_ipv6`, "1");
  for (const [name, value] of [
    ["disable_ipv6", "0"],
    ["accept_dad", "0"],
    ["accept_ra", "0"],
  ] as const) {
    writeSetting(`ipv6/conf/${device}/${name}`, value);
  }
}

/** Writes a setting of the network namespace the thread is in; one the kernel has not got is none to set. */
function writeSetting(path: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/net/${path}`, value);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
