// The lab's wires. Nothing of it is connected to the machine's own interfaces.
//
//   world 203.0.113.10 -- 203.0.113.1 fabric 172.18.0.1 = br0 -- node-1 eth0 172.18.0.2
//         2001:db8:113::10          ::1      fc00:18::1      `-- node-2 eth0 172.18.0.3 ...
//
// The fabric routes between the two subnets and knows no other: pod addresses that leave a node unmasqueraded
// are refused there, as in a real network that knows nothing of pods.
import { closeSync, openSync } from "node:fs";
import { Address, type Family, Mac, Prefix } from "@tsilium/net";
import { Rtnl } from "@tsilium/netlink";
import {
  fabricAddresses,
  worldAddresses,
  worldGateways,
  type LabLayout,
  type NodeLayout,
} from "../layout.ts";
import { createNamespace, writeSysctls } from "./namespace.ts";

const lengths: Readonly<Record<Family, number>> = { 4: 24, 6: 64 };

/** What every namespace of a lab has: IPv6 usable at once and configured by nobody else, unthrottled ICMP errors. */
const plainSysctls = {
  "ipv6/conf/all/disable_ipv6": "0",
  "ipv6/conf/default/disable_ipv6": "0",
  "ipv6/conf/all/accept_dad": "0",
  "ipv6/conf/default/accept_dad": "0",
  "ipv6/conf/all/accept_ra": "0",
  "ipv6/conf/default/accept_ra": "0",
  "ipv4/conf/all/rp_filter": "0",
  "ipv4/conf/default/rp_filter": "0",
  "ipv4/icmp_ratelimit": "0",
  "ipv6/icmp/ratelimit": "0",
} as const;

const routerSysctls = { "ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1" } as const;

/** Makes all namespaces but the pods', and connects them. */
export function createTopology(lab: LabLayout, nodes: readonly NodeLayout[]): void {
  createNamespace(lab.fabricNetns);
  writeSysctls(lab.fabricNetns, { ...plainSysctls, ...routerSysctls });
  using fabric = Rtnl.open({ netns: lab.fabricNetns });
  fabric.links.set("lo", { up: true });
  fabric.links.add({
    name: "br0",
    kind: { type: "bridge", stp: false, multicastSnooping: false },
    mac: deviceMac(fabricNumber),
  });
  configure(fabric, "br0", [fabricAddresses.ipv4, fabricAddresses.ipv6]);
  fabric.links.set("br0", { up: true });
  createWorld(lab, fabric);
  for (const node of nodes) createNode(node, fabric);
}

function createWorld(lab: LabLayout, fabric: Rtnl): void {
  createNamespace(lab.worldNetns);
  writeSysctls(lab.worldNetns, plainSysctls);
  connect(fabric, { name: "world", netns: lab.worldNetns, mac: deviceMac(worldNumber) });
  configure(fabric, "world", [worldGateways.ipv4, worldGateways.ipv6]);
  fabric.links.set("world", { up: true });

  using world = Rtnl.open({ netns: lab.worldNetns });
  bringUp(world, [worldAddresses.ipv4, worldAddresses.ipv6]);
  // Node addresses alone: what is not announced to the world does not exist there.
  route(world, "172.18.0.0/24", worldGateways.ipv4);
  route(world, "fc00:18::/64", worldGateways.ipv6);
}

function createNode(node: NodeLayout, fabric: Rtnl): void {
  createNamespace(node.netns);
  writeSysctls(node.netns, { ...plainSysctls, ...routerSysctls });
  connect(fabric, { name: node.name, netns: node.netns, mac: deviceMac(node.number + 1) });
  // A port of the bridge has no addresses of its own.
  fabric.links.set(node.name, { master: "br0", addrGenMode: "none" });
  fabric.links.set(node.name, { up: true });

  using rtnl = Rtnl.open({ netns: node.netns });
  bringUp(rtnl, [node.ipv4, node.ipv6]);
  route(rtnl, "0.0.0.0/0", fabricAddresses.ipv4);
  route(rtnl, "::/0", fabricAddresses.ipv6);
}

type Plug = { readonly name: string; readonly netns: string; readonly mac: Mac };

/** A veth from the fabric, called `name` there, to `eth0` in another namespace. */
function connect(fabric: Rtnl, plug: Plug): void {
  const netnsFd = openSync(plug.netns, "r");
  try {
    fabric.links.add({
      name: plug.name,
      kind: { type: "veth", peer: { name: "eth0", netnsFd, mac: plug.mac } },
    });
  } finally {
    closeSync(netnsFd);
  }
}

function bringUp(rtnl: Rtnl, addresses: readonly string[]): void {
  rtnl.links.set("lo", { up: true });
  configure(rtnl, "eth0", addresses);
  rtnl.links.set("eth0", { up: true });
}

function configure(rtnl: Rtnl, device: string, addresses: readonly string[]): void {
  for (const text of addresses) {
    const address = Address.parse(text);
    const length = lengths[address.family];
    rtnl.addresses.add({ device, address, length, noDad: true });
  }
}

function route(rtnl: Rtnl, destination: string, gateway: string): void {
  rtnl.routes.add({
    destination: Prefix.parse(destination),
    gateway: Address.parse(gateway),
    device: "eth0",
  });
}

const fabricNumber = 1;
const worldNumber = 0xff;

/** A locally administered address that says which lab device it is: 02:54:53:49:00:NN. */
function deviceMac(number: number): Mac {
  return Mac.fromBytes(Uint8Array.of(0x02, 0x54, 0x53, 0x49, 0, number));
}
