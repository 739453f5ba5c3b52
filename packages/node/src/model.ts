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
