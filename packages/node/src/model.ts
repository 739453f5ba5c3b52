// Nodes of the cluster, from CiliumNode.
import type { Address, Prefix } from "@tsilium/net";

export type Node = {
  readonly name: string;
  readonly local: boolean;
  /** InternalIP per family: underlay address. */
  readonly ipv4: Address | undefined;
  readonly ipv6: Address | undefined;
  /** Router (tsi_host) addresses, CiliumInternalIP. */
  readonly routerIpv4: Address | undefined;
  readonly routerIpv6: Address | undefined;
  /** Addresses of its health endpoint, where it has one. */
  readonly healthIpv4?: Address | undefined;
  readonly healthIpv6?: Address | undefined;
  readonly podCidrs: readonly Prefix[];
  readonly labels: Readonly<Record<string, string>>;
};

/** At most one of each family. */
export type HealthAddresses = {
  readonly ipv4: Address | undefined;
  readonly ipv6: Address | undefined;
};

/** What an agent says of its own node. */
export type LocalNode = {
  readonly name: string;
  readonly ipv4: Address | undefined;
  readonly ipv6: Address | undefined;
  /** Undefined until the pod CIDRs are known; what was published before a restart is kept till then. */
  readonly routerIpv4: Address | undefined;
  readonly routerIpv6: Address | undefined;
  /** Addresses of its health endpoint: none, or, while undefined, as they were published before a restart. */
  readonly health?: HealthAddresses | undefined;
  /** Pod CIDRs that its Node has, passed on to peers; undefined: they are not the agent's to say, but the operator's. */
  readonly podCidrs?: readonly Prefix[] | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
};
