// Identities: sets of security-relevant labels with a cluster-wide number.
import type { Family, Labels } from "@tsilium/net";

/** Cilium's reserved identities (label `reserved:<name>`). */
export const ReservedIdentity = {
  unknown: 0,
  host: 1,
  world: 2,
  unmanaged: 3,
  health: 4,
  init: 5,
  "remote-node": 6,
  "kube-apiserver": 7,
  ingress: 8,
  "world-ipv4": 9,
  "world-ipv6": 10,
  "encrypted-overlay": 11,
} as const;

/** Of addresses that nobody has. With both families enabled the world has an identity for each, as in Cilium. */
export function worldIdentity(family: Family, dualStack: boolean): number {
  if (!dualStack) return ReservedIdentity.world;
  return ReservedIdentity[family === 4 ? "world-ipv4" : "world-ipv6"];
}

/** Numbers of identities that are allocated cluster-wide. Those below are reserved, well-known or fixed. */
export const allocatedIdentities = { first: 256, last: 65_535 } as const;

/**
 * On a CiliumIdentity that no CiliumEndpoint names: since when, in RFC 3339. The operator deletes what stays so; an agent
 * that needs it takes the annotation off. As Cilium's.
 */
export const unusedAnnotation = "io.cilium.heartbeat";

/** Numbers of identities that one node has for itself begin at these. */
export const localScopes = {
  /** Addresses outside the cluster: the API server's. */
  external: 0x01 << 24,
  /** Nodes with their labels, where `enable-node-selector-labels` is on. */
  node: 0x02 << 24,
} as const;
export type LocalScope = keyof typeof localScopes;

export type Identity = {
  readonly id: number;
  readonly labels: Labels;
  readonly reserved: boolean;
};

/** Two numbers for one set of labels came up; the lower one counts, and users of the other move. */
export type SupersededIdentity = { readonly from: Identity; readonly to: Identity };
