// A node's namespace for XDP, which asks the kernel for the way and goes it only if all is known: routes that lead on, and
// neighbours that answered.
//
//   eth0  50   172.18.0.2/24   the other node, its pods, and by the gateway 172.18.0.1 everything else
//   eth1  51   10.9.0.2/24     a host at 10.9.0.10
import { Address, Mac, Prefix } from "@tsilium/net";
import { type Netns, Topology } from "@tsilium/testkit";
import { thirdNode } from "./service-world.ts";
import { type Family, node, otherNode, type Party } from "./world.ts";

export const devices = { eth0: 50, eth1: 51 } as const;
export type Device = keyof typeof devices;

export const links = {
  eth0: "02:00:00:00:00:50",
  eth1: "02:00:00:00:00:51",
  gateway: "02:00:00:00:00:01",
  otherNode: "02:00:00:00:00:03",
  beside: "02:00:00:00:00:10",
} as const;

/** Behind eth1. */
export const beside: Party = { 4: "10.9.0.10", 6: "fd00:9::10" };
/** On eth0, but nobody knows its link address. */
export const unresolved = thirdNode;
export const unroutable: Party = { 4: "198.18.99.1", 6: "2001:db8:99::1" };

const gateway: Party = { 4: "172.18.0.1", 6: "fc00:18::1" };

type Ways = Readonly<Record<"everything" | "pods" | "unroutable", string>>;
const prefixes: Readonly<Record<Family, Ways>> = {
  4: {
    everything: "0.0.0.0/0",
    pods: "10.244.1.0/24",
    unroutable: "198.18.99.0/24",
  },
  6: {
    everything: "::/0",
    pods: "fd00:10:244:1::/64",
    unroutable: "2001:db8:99::/48",
  },
};

let made: Netns | undefined;

/** One for all nodes of a test's process, gone with it. */
export function xdpNetns(): Netns {
  made ??= make(new Topology().netns("xdp"));
  return made;
}

function make(netns: Netns): Netns {
  for (const family of ["ipv4", "ipv6"]) netns.sysctl(`${family}/conf/all/forwarding`, 1);
  addDevice(netns, "eth0", [`${node[4]}/24`, `${node[6]}/64`]);
  addDevice(netns, "eth1", ["10.9.0.2/24", "fd00:9::2/64"]);
  for (const family of [4, 6] as const) addWays(netns, family);
  return netns;
}

/** With a far end that nobody listens at. */
function addDevice(netns: Netns, name: Device, addresses: readonly string[]): void {
  const peer = { name: `${name}-far` };
  const [index, mac] = [devices[name], Mac.parse(links[name])];
  netns.rtnl.links.add({ name, index, mac, kind: { type: "veth", peer } });
  for (const end of [name, peer.name]) netns.rtnl.links.set(end, { addrGenMode: "none" });
  for (const end of [name, peer.name]) netns.rtnl.links.set(end, { up: true });
  for (const address of addresses) netns.addAddress(name, address);
}

function addWays({ rtnl }: Netns, family: Family): void {
  const know = (device: Device, party: Party, mac: string) =>
    rtnl.neighbours.replace({
      device,
      address: Address.parse(party[family]),
      mac: Mac.parse(mac),
    });
  know("eth0", gateway, links.gateway);
  know("eth0", otherNode, links.otherNode);
  know("eth1", beside, links.beside);
  const { everything, pods, unroutable: nowhere } = prefixes[family];
  const by = (party: Party) => Address.parse(party[family]);
  rtnl.routes.add({ destination: Prefix.parse(everything), gateway: by(gateway) });
  rtnl.routes.add({ destination: Prefix.parse(pods), gateway: by(otherNode) });
  rtnl.routes.add({ destination: Prefix.parse(nowhere), type: "unreachable" });
}
