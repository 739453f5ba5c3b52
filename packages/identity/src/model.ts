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

export type Identity = {
  readonly id: number;
  readonly labels: Labels;
  readonly reserved: boolean;
};
