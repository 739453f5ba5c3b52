// CiliumNode to row and back. Pure.
import { isDeepStrictEqual } from "node:util";
import type {
  CiliumNode,
  CiliumNodeAddress,
  Node as KubeNode,
  OwnerReference,
} from "@tsilium/kube";
import { Address, type Family, Prefix } from "@tsilium/net";
import { NodeError } from "./errors.ts";
import type { LocalNode, Node } from "./model.ts";

/** A CiliumNode as a row. Addresses and CIDRs that cannot be read are left out: one bad field hides no node. */
export function nodeOf(object: CiliumNode, localName: string): Node {
  const name = object.metadata.name ?? "";
  const addresses = object.spec?.addresses ?? [];
  return {
    name,
    local: name === localName,
    ipv4: firstAddress(addresses, "InternalIP", 4),
    ipv6: firstAddress(addresses, "InternalIP", 6),
    routerIpv4: firstAddress(addresses, "CiliumInternalIP", 4),
    routerIpv6: firstAddress(addresses, "CiliumInternalIP", 6),
    podCidrs: (object.spec?.ipam?.podCIDRs ?? []).flatMap((text) => Prefix.tryParse(text) ?? []),
    labels: object.metadata.labels ?? {},
  };
}

/** Whether two rows say the same. */
export function sameNode(a: Node, b: Node): boolean {
  return isDeepStrictEqual(plain(a), plain(b));
}

/** Families in which a node has pod CIDRs. */
export function podCidrFamilies(node: Node | undefined): ReadonlySet<Family> {
  return new Set(node?.podCidrs.map(({ family }) => family) ?? []);
}

/**
 * InternalIP of each enabled family as the Kubernetes Node has it.
 * @throws NodeError node_address_missing
 */
export function internalAddresses(
  node: KubeNode,
  families: readonly Family[],
): { readonly ipv4: Address | undefined; readonly ipv6: Address | undefined } {
  const addresses = (node.status?.addresses ?? []).map(({ type, address }) => ({
    type,
    ip: address,
  }));
  const of = (family: Family): Address | undefined => {
    if (!families.includes(family)) return undefined;
    const found = firstAddress(addresses, "InternalIP", family);
    if (found) return found;
    const message = `Node ${node.metadata.name} has no IPv${family} InternalIP`;
    throw new NodeError("node_address_missing", message);
  };
  return { ipv4: of(4), ipv6: of(6) };
}

/** The object to create for a node that has none. It goes when the Kubernetes Node of this UID goes. */
export function objectOf(local: LocalNode, nodeUid: string): CiliumNode {
  return {
    metadata: { name: local.name, labels: local.labels, ownerReferences: [owner(local, nodeUid)] },
    spec: { addresses: addressesOf(local, []), ipam: {}, bootid: local.bootId },
  };
}

/**
 * Merge patch that makes an existing object say what the node says, undefined when it does already. Fields of
 * others (pod CIDRs, other addresses, foreign labels) are left alone.
 */
export function patchOf(
  local: LocalNode,
  nodeUid: string,
  existing: CiliumNode,
): object | undefined {
  const existingAddresses = existing.spec?.addresses ?? [];
  const wanted = {
    metadata: {
      labels: { ...existing.metadata.labels, ...local.labels },
      ownerReferences: [owner(local, nodeUid)],
    },
    spec: { addresses: addressesOf(local, existingAddresses), bootid: local.bootId },
  };
  const present = {
    metadata: {
      labels: existing.metadata.labels ?? {},
      ownerReferences: existing.metadata.ownerReferences ?? [],
    },
    spec: { addresses: existingAddresses, bootid: existing.spec?.bootid },
  };
  return isDeepStrictEqual(wanted, present) ? undefined : wanted;
}

function addressesOf(
  local: LocalNode,
  existing: readonly CiliumNodeAddress[],
): CiliumNodeAddress[] {
  const internal = [local.ipv4, local.ipv6].flatMap((address) => entry("InternalIP", address));
  // A router that is not known yet was published before a restart, if ever; peers may rely on it.
  const routers = [
    local.routerIpv4 ?? firstAddress(existing, "CiliumInternalIP", 4),
    local.routerIpv6 ?? firstAddress(existing, "CiliumInternalIP", 6),
  ].flatMap((address) => entry("CiliumInternalIP", address));
  const ours = new Set(["InternalIP", "CiliumInternalIP"]);
  return [...internal, ...routers, ...existing.filter(({ type }) => !ours.has(type))];
}

function entry(type: string, address: Address | undefined): CiliumNodeAddress[] {
  return address === undefined ? [] : [{ type, ip: address.toString() }];
}

function owner({ name }: LocalNode, uid: string): OwnerReference {
  return { apiVersion: "v1", kind: "Node", name, uid };
}

function firstAddress(
  addresses: readonly CiliumNodeAddress[],
  type: string,
  family: Family,
): Address | undefined {
  return addresses
    .filter((address) => address.type === type)
    .map(({ ip }) => Address.tryParse(ip))
    .find((address) => address?.family === family);
}

/** With addresses as text, since their bytes hide in a class. */
function plain(node: Node): unknown {
  return JSON.parse(JSON.stringify(node));
}
