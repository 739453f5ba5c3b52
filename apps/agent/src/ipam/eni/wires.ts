// The instance's interfaces in the kernel: up, with their own address, and a routing table each; and per pod address the
// rules that have its packets leave by the interface that holds it. The VPC drops them on any other.
//
//   priority 20    to <pod>                         -> main      (tsi_host delivers)
//   priority 111   from <pod> to <each VPC range>   -> 10+number: default by the interface's subnet router
//
// Numbers are Cilium's. What leaves the VPC is not in any of its ranges, goes by the first interface, masqueraded.
import { writeFileSync } from "node:fs";
import { type Address, Prefix } from "@tsilium/net";
import { type Link, mainTable, NetlinkError, type RuleSpec, type Rtnl } from "@tsilium/netlink";
import type { EniInterface } from "./interfaces.ts";

export const ingressPriority = 20;
export const egressPriority = 111;
const firstTable = 10;
/** RTPROT_* number of rules and routes of ours, beside the datapath's (84) and pods' (85). */
export const eniProtocol = 86;

const everywhere = Prefix.parse("0.0.0.0/0");

export function tableOf({ number }: Pick<EniInterface, "number">): number {
  return firstTable + number;
}

/** The device of an interface, found by its MAC; undefined while it is not there. */
export function deviceOf(
  links: readonly Link[],
  { mac }: Pick<EniInterface, "mac">,
): Link | undefined {
  // A bridge or VLAN device may have the MAC of what is beneath it.
  return links.find(
    (link) => link.mac?.equals(mac) && link.kind?.type !== "bridge" && link.kind?.type !== "vxlan",
  );
}

/**
 * Makes an interface carry pods' packets. Idempotent.
 * @throws NetlinkError ENODEV when it went meanwhile
 */
export function ensureInterface(rtnl: Rtnl, eni: EniInterface, wanted: WantedLink): void {
  const { link, hasOwn, mtu } = wanted;
  // The first one is the node's own, and configured by whoever made the node.
  if (eni.number !== 0) {
    if (mtu !== undefined && mtu !== link.mtu) setMtu(rtnl, link, mtu);
    if (!link.up) rtnl.links.set(link.index, { up: true });
    if (hasOwn) addOwn(rtnl, eni, link);
    // Packets to pods come in here from senders whose way back is by another interface.
    setReversePathFilter(link.name, "2");
  }
  const table = tableOf(eni);
  const common = { device: link.index, table, protocol: eniProtocol } as const;
  rtnl.routes.replace({ ...common, destination: Prefix.host(eni.gateway), scope: "link" });
  rtnl.routes.replace({ ...common, destination: everywhere, gateway: eni.gateway, onlink: true });
}

type WantedLink = {
  readonly link: Link;
  /** False: its own address is for a pod. */
  readonly hasOwn: boolean;
  /** Bytes: the first interface's; undefined: as it is. */
  readonly mtu?: number | undefined;
};

/** A new interface comes with 1500, where the VPC carries 9001. */
function setMtu(rtnl: Rtnl, link: Link, mtu: number): void {
  try {
    rtnl.links.set(link.index, { mtu });
  } catch (error) {
    // More than this device can: the datapath takes the smallest of all.
    if (!(error instanceof NetlinkError && error.code === "EINVAL")) throw error;
  }
}

function addOwn(rtnl: Rtnl, { primary: address }: EniInterface, { index: device }: Link): void {
  try {
    // Of one address alone: the way to the subnet is by the table.
    rtnl.addresses.add({ device, address, length: 32, noDad: true });
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === "EEXIST")) throw error;
  }
}

/** The rules of a pod's address. `masquerade` false: all that a pod sends leaves by its interface. */
export function rulesOf(address: Address, eni: EniInterface, masquerade: boolean): RuleSpec[] {
  const pod = Prefix.host(address);
  const egress = {
    family: 4,
    priority: egressPriority,
    source: pod,
    table: tableOf(eni),
    protocol: eniProtocol,
  } as const;
  return [
    {
      family: 4,
      priority: ingressPriority,
      destination: pod,
      table: mainTable,
      protocol: eniProtocol,
    },
    ...(masquerade
      ? eni.vpcCidrs
          .filter(({ family }) => family === 4)
          .map((destination) => ({ ...egress, destination }))
      : [egress]),
  ];
}

function setReversePathFilter(device: string, value: string): void {
  // Names of devices are the kernel's, but a "/" or ".." must never make a path of one.
  if (!/^[\w.@-]+$/.test(device) || device.includes("..")) return;
  writeFileSync(`/proc/sys/net/ipv4/conf/${device}/rp_filter`, value);
}
