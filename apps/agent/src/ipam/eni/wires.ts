// The instance's interfaces in the kernel: up, with their own address, and a routing table each; and per pod address the
// rules that have its packets leave by the interface that holds it. The VPC drops them on any other.
//
//   priority 20    to <pod>                         -> main      (tsi_host delivers)
//   priority 111   from <pod> to <each VPC range>   -> 10+number: default by the interface's subnet router
//
// Numbers are Cilium's. What leaves the VPC is not in any of its ranges, goes by the first interface, masqueraded.
import { type Address, Prefix } from "@tsilium/net";
import {
  type Link,
  mainTable,
  NetlinkError,
  type Route,
  type RouteSpec,
  type RuleSpec,
  type Rtnl,
} from "@tsilium/netlink";
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
 * What an interface needs before the datapath is at it; the first one is the node's own, and configured by whoever made
 * the node. Idempotent. Packets to pods come in here from senders whose way back is by another interface: the datapath
 * switches the reverse path filter off.
 * @throws NetlinkError ENODEV when it went meanwhile
 */
export function prepareInterface(rtnl: Rtnl, eni: EniInterface, wanted: WantedLink): void {
  const { link, hasOwn, mtu } = wanted;
  if (eni.number === 0) return;
  if (mtu !== undefined && mtu !== link.mtu) setMtu(rtnl, link, mtu);
  if (hasOwn) addOwn(rtnl, eni, link);
}

/** Makes an interface that the datapath is at carry pods' packets. Idempotent. @throws NetlinkError as above */
export function raiseInterface(rtnl: Rtnl, eni: EniInterface, link: Link): void {
  if (eni.number !== 0 && !link.up) rtnl.links.set(link.index, { up: true });
  const table = tableOf(eni);
  const present = rtnl.routes.list({ family: 4, table });
  const common = { device: link.index, table, protocol: eniProtocol } as const;
  // The way to the router first: the other leads by it.
  const wanted: RouteSpec[] = [
    { ...common, destination: Prefix.host(eni.gateway), scope: "link" },
    { ...common, destination: everywhere, gateway: eni.gateway, onlink: true },
  ];
  for (const route of wanted)
    if (!present.some((row) => isThere(row, route))) rtnl.routes.replace(route);
}

function isThere(row: Route, { destination, gateway, device }: RouteSpec): boolean {
  return (
    row.destination.toString() === destination.toString() &&
    row.device === device &&
    String(row.gateway) === String(gateway)
  );
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
