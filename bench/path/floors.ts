// What nobody can beat: two pods on one wire, and two pods joined by a program that does nothing but redirect.
//
//   veth            client eth0 ============================ eth0 server
//
//   redirect_peer   client eth0 ==== lxc1 [node] lxc2 ==== eth0 server
//                                     |            ^ eth0
//                                     +-- redirect_peer
import { Address, Mac, Prefix } from "@tsilium/net";
import { attachTc, loadCollection } from "@tsilium/ebpf";
import type { Netns, Topology } from "@tsilium/testkit";
import { compile } from "../compile.ts";
import type { Variant } from "./variant.ts";

const client = { IPv4: "10.99.0.1", IPv6: "fd99::1" };
const server = { IPv4: "10.99.0.2", IPv6: "fd99::2" };

/** A bare veth pair. */
export function veth(topology: Topology): Variant {
  const clientNetns = topology.netns("veth-client");
  const serverNetns = topology.netns("veth-server");
  topology.wire(
    { netns: clientNetns, device: "eth0", addresses: [`${client.IPv4}/24`, `${client.IPv6}/64`] },
    { netns: serverNetns, device: "eth0", addresses: [`${server.IPv4}/24`, `${server.IPv6}/64`] },
  );
  return variant("bare veth", clientNetns, serverNetns);
}

/** Two pods of a node whose only program redirects from one into the other. */
export function redirectPeer(topology: Topology): Variant {
  const node = topology.netns("peer-node");
  const clientNetns = topology.netns("peer-client");
  const serverNetns = topology.netns("peer-server");
  addPod(topology, { node, pod: clientNetns, device: "lxc1", own: client, other: server });
  addPod(topology, { node, pod: serverNetns, device: "lxc2", own: server, other: client });
  redirect(node, "lxc1", "lxc2");
  redirect(node, "lxc2", "lxc1");
  return variant("bare redirect_peer", clientNetns, serverNetns);
}

type PodFacts = {
  readonly node: Netns;
  readonly pod: Netns;
  readonly device: string;
  readonly own: typeof client;
  readonly other: typeof client;
};

/** A pod whose peer is reached through its own host-side interface's link address. */
function addPod(topology: Topology, { node, pod, device, own, other }: PodFacts): void {
  topology.wire(
    { netns: node, device },
    { netns: pod, device: "eth0", addresses: [`${own.IPv4}/32`, `${own.IPv6}/128`] },
  );
  const mac = node.rtnl.links.get(device)?.mac ?? Mac.zero;
  for (const text of [other.IPv4, other.IPv6]) {
    const address = Address.parse(text);
    pod.rtnl.routes.add({ destination: Prefix.host(address), device: "eth0" });
    pod.rtnl.neighbours.replace({ device: "eth0", address, mac });
  }
}

function redirect(node: Netns, from: string, to: string): void {
  const spec = compile("redirect_peer");
  spec.setConstant("other_pod", node.rtnl.links.index(to));
  const { programs } = loadCollection(spec);
  const ifindex = node.rtnl.links.index(from);
  // The link lives as long as this process holds it.
  node.run(() =>
    attachTc(
      programs["redirect_peer"] as NonNullable<(typeof programs)[string]>,
      ifindex,
      "ingress",
    ),
  );
}

function variant(name: string, clientNetns: Netns, serverNetns: Netns): Variant {
  return {
    name,
    clientNetns: clientNetns.path,
    serverNetns: serverNetns.path,
    serverAddress: server,
  };
}
