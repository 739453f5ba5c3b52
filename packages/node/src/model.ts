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
  readonly podCidrs: readonly Prefix[];
  readonly labels: Readonly<Record<string, string>>;
};

/** What an agent says of its own node. Pod CIDRs are not its to say: the operator gives them. */
export type LocalNode = {
  readonly name: string;
  readonly ipv4: Address | undefined;
  readonly ipv6: Address | undefined;
  /** Undefined until the pod CIDRs are known; what was published before a restart is kept till then. */
  readonly routerIpv4: Address | undefined;
  readonly routerIpv6: Address | undefined;
  readonly labels: Readonly<Record<string, string>>;
  /** /proc/sys/kernel/random/boot_id. */
  readonly bootId: string;
};
