// Where test runs meet their packets: a namespace that routes, since programs which send past the stack ask it the way.
//
//   lo         1    all packets, unless said otherwise
//   lxc-b     12    pod b's interface
//   eth0      50    the default routes of both families
//   nowhere         198.18.99.0/24 and 2001:db8:99::/48 have no route
import { Mac, Prefix } from "@tsilium/net";
import { type Netns, Topology } from "@tsilium/testkit";
import { endpoints, macs, node } from "./world.ts";

export const nowhere = { 4: "198.18.99.1", 6: "2001:db8:99::1" };

let made: Netns | undefined;

/** One for all nodes of a test's process, gone with it. */
export function runNetns(): Netns {
  made ??= make(new Topology().netns("run"));
  return made;
}

function make(netns: Netns): Netns {
  netns.sysctl("ipv4/conf/all/forwarding", 1);
  netns.sysctl("ipv6/conf/all/forwarding", 1);
  addDevice(netns, { name: "lxc-b", index: endpoints[1]?.ifindex ?? 0, mac: macs.gatewayOfB });
  addDevice(netns, { name: "eth0", index: 50, mac: macs.stranger });
  netns.addAddress("eth0", `${node[4]}/24`);
  netns.addAddress("eth0", `${node[6]}/64`);
  for (const prefix of ["0.0.0.0/0", "::/0"])
    netns.rtnl.routes.add({ destination: Prefix.parse(prefix), device: "eth0" });
  for (const prefix of ["198.18.99.0/24", "2001:db8:99::/48"])
    netns.rtnl.routes.add({ destination: Prefix.parse(prefix), type: "unreachable" });
  return netns;
}

type Device = { readonly name: string; readonly index: number; readonly mac: string };

/** With a far end that nobody listens at. */
function addDevice({ rtnl }: Netns, { name, index, mac }: Device): void {
  const peer = { name: `${name}-far` };
  rtnl.links.add({ name, index, mac: Mac.parse(mac), kind: { type: "veth", peer } });
  for (const end of [name, peer.name]) rtnl.links.set(end, { addrGenMode: "none" });
  for (const end of [name, peer.name]) rtnl.links.set(end, { up: true });
}
