// Addresses that another plugin handed out, or that are on an interface that is taken over: nobody has looked at them, and
// who has a pod's address is taken for that pod everywhere.
import type { Address } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";

export type ForeignOptions = {
  readonly nodes: Iterable<Node>;
  /** Who has an address on another node, as far as is known. */
  readonly takenElsewhere: (address: Address) => string | undefined;
};

/**
 * Why an address cannot be a pod's of this node, in words; undefined: it can.
 * @param owner the pod as "namespace/name": one that moved here may have brought its address
 */
export function whyForeign(
  address: Address,
  owner: string,
  { nodes, takenElsewhere }: ForeignOptions,
): string | undefined {
  const kind = unfitKind(address);
  if (kind !== undefined) return `${address} is ${kind}, which no pod can have`;
  for (const { name, ...node } of nodes) {
    const own = [node.ipv4, node.ipv6, node.routerIpv4, node.routerIpv6];
    if (own.some((each) => each?.equals(address))) return `${address} is node ${name}'s own`;
  }
  const holder = takenElsewhere(address);
  return holder === undefined || holder === `pod ${owner}`
    ? undefined
    : `${address} is in use by ${holder} of another node`;
}

/** What kind of address this is, if it is of one that no pod can have. */
export function unfitKind(address: Address): string | undefined {
  if (address.isUnspecified) return "the unspecified address";
  if (address.isLoopback) return "a loopback address";
  if (address.isLinkLocal) return "a link-local address";
  if (address.isMulticast) return "a multicast address";
  return address.toString() === "255.255.255.255" ? "the broadcast address" : undefined;
}
