// Identities: sets of security-relevant labels with a cluster-wide number.
import type { Labels } from "@tsilium/net";

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

/** Numbers of identities that are allocated cluster-wide. Those below are reserved, well-known or fixed. */
export const allocatedIdentities = { first: 256, last: 65_535 } as const;

export type Identity = {
  readonly id: number;
  readonly labels: Labels;
  readonly reserved: boolean;
};

/** Two numbers for one set of labels came up; the lower one counts, and users of the other move. */
export type SupersededIdentity = { readonly from: Identity; readonly to: Identity };
