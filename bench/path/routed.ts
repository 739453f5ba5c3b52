// The floor between nodes: the same wires and bridge, nothing but the kernel's own routing on the nodes.
//
//   client eth0 ==== [node a] eth0 ==== br0 [fabric] ==== eth0 [node b] ==== eth0 server
import { Address, Prefix } from "@tsilium/net";
import type { Netns, Topology } from "@tsilium/testkit";
import type { Variant } from "./variant.ts";

type Side = {
  readonly name: string;
  /** Third part of its pods' network, last part of its own address. */
  readonly number: 1 | 2;
};

const underlay = (number: number) => [`10.97.0.${number}`, `fd97::${number}`] as const;
const gateway = (number: number) => [`10.98.${number}.1`, `fd98:${number}::1`] as const;
const pod = (number: number) => [`10.98.${number}.2`, `fd98:${number}::2`] as const;
const podNetwork = (number: number) => [`10.98.${number}.0/24`, `fd98:${number}::/64`] as const;
/** Routers ask for neighbours from a link-local address only (ndisc_send_ns), and wires come without. */
const linkLocal = (number: number) => `fe80::${number}/64`;
const withLengths = ([ipv4, ipv6]: readonly [string, string]) => [`${ipv4}/24`, `${ipv6}/64`];

/** Two pods on two nodes that route for them. */
export function routed(topology: Topology): Variant {
  const fabric = topology.netns("routed-fabric");
  fabric.rtnl.links.add({ name: "br0", kind: { type: "bridge" }, addrGenMode: "none", up: true });
  const client = addSide(topology, fabric, { name: "a", number: 1 });
  const server = addSide(topology, fabric, { name: "b", number: 2 });
  const [IPv4, IPv6] = pod(2);
  return {
    name: "plain routing between nodes",
    clientNetns: client.path,
    serverNetns: server.path,
    serverAddress: { IPv4, IPv6 },
  };
}

/** One node and its pod, which is answered. */
function addSide(topology: Topology, fabric: Netns, { name, number }: Side): Netns {
  const node = topology.netns(`routed-node-${name}`);
  const inside = topology.netns(`routed-pod-${name}`);
  topology.wire(
    { netns: fabric, device: `node-${name}` },
    {
      netns: node,
      device: "eth0",
      addresses: [...withLengths(underlay(number)), linkLocal(number)],
    },
  );
  fabric.rtnl.links.set(`node-${name}`, { master: "br0" });
  topology.wire(
    { netns: node, device: "pod", addresses: [...withLengths(gateway(number)), linkLocal(number)] },
    { netns: inside, device: "eth0", addresses: withLengths(pod(number)) },
  );
  node.sysctl("ipv4/ip_forward", 1);
  node.sysctl("ipv6/conf/all/forwarding", 1);
  const other = number === 1 ? 2 : 1;
  for (const [family, network] of podNetwork(other).entries()) {
    const hop = Address.parse(underlay(other)[family] as string);
    node.rtnl.routes.add({ destination: Prefix.parse(network), gateway: hop });
  }
  for (const [family, address] of gateway(number).entries()) {
    const destination = Prefix.parse(family === 0 ? "0.0.0.0/0" : "::/0");
    inside.rtnl.routes.add({ destination, gateway: Address.parse(address) });
  }
  return inside;
}
