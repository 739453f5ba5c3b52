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
    healthIpv4: ofFamily(object.spec?.health?.ipv4, 4),
    healthIpv6: ofFamily(object.spec?.health?.ipv6, 6),
    podCidrs: podCidrsOf(object),
    labels: object.metadata.labels ?? {},
  };
}

/** All that a node's pods may have addresses of: blocks, CIDRs of pools, single addresses. */
function podCidrsOf({ spec }: CiliumNode): Prefix[] {
  const { podCIDRs = [], pools, pool = {} } = spec?.ipam ?? {};
  const cidrs = [...podCIDRs, ...(pools?.allocated ?? []).flatMap((each) => each.cidrs ?? [])];
  const single = Object.keys(pool).flatMap((text) => Address.tryParse(text) ?? []);
  return [
    ...cidrs.flatMap((text) => Prefix.tryParse(text) ?? []),
    ...single.map((address) => Prefix.host(address)),
  ];
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
    spec: {
      addresses: addressesOf(local, []),
      ipam: local.podCidrs ? { podCIDRs: local.podCidrs.map(String) } : {},
      bootid: local.bootId,
      ...createdHealth(local),
    },
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
    spec: {
      addresses: addressesOf(local, existingAddresses),
      bootid: local.bootId,
      ...(local.podCidrs ? { ipam: { podCIDRs: local.podCidrs.map(String) } } : {}),
      ...(local.health ? { health: healthPatch(local.health) } : {}),
    },
  };
  const present = {
    metadata: {
      labels: existing.metadata.labels ?? {},
      ownerReferences: existing.metadata.ownerReferences ?? [],
    },
    spec: {
      addresses: existingAddresses,
      bootid: existing.spec?.bootid,
      ...(local.podCidrs ? { ipam: { podCIDRs: existing.spec?.ipam?.podCIDRs ?? [] } } : {}),
      ...(local.health ? { health: healthPatch(existing.spec?.health ?? {}) } : {}),
    },
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

function createdHealth({ health }: LocalNode): { health?: { ipv4?: string; ipv6?: string } } {
  if (!health?.ipv4 && !health?.ipv6) return {};
  const { ipv4, ipv6 } = health;
  return {
    health: {
      ...(ipv4 ? { ipv4: ipv4.toString() } : {}),
      ...(ipv6 ? { ipv6: ipv6.toString() } : {}),
    },
  };
}

/** As a merge patch says it: null removes. */
function healthPatch({ ipv4, ipv6 }: { ipv4?: unknown; ipv6?: unknown }): object | null {
  if (!ipv4 && !ipv6) return null;
  return { ipv4: ipv4 ? String(ipv4) : null, ipv6: ipv6 ? String(ipv6) : null };
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

function ofFamily(text: string | undefined, family: Family): Address | undefined {
  const address = Address.tryParse(text ?? "");
  return address?.family === family ? address : undefined;
}

/** With addresses as text, since their bytes hide in a class. */
function plain(node: Node): unknown {
  return JSON.parse(JSON.stringify(node));
}
