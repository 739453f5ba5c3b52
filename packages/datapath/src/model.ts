// The rows that features hand to the datapath, in user-space terms. How they are laid out in kernel
// maps is this package's business alone (src/gen/ from BTF, src/maps/).
import type { Address, Mac, Prefix } from "@tsilium/net";

/** A local pod as the datapath knows it. Written to the maps keyed by interface and by address. */
export type EndpointEntry = {
  /** Node-unique endpoint ID, 1-65535. */
  readonly id: number;
  /** Interface index of the host-side veth, in the agent's network namespace. */
  readonly ifindex: number;
  /** Numeric security identity (CiliumIdentity or reserved). */
  readonly identity: number;
  readonly ipv4: Address | undefined;
  readonly ipv6: Address | undefined;
  /** MAC of the pod's own interface. */
  readonly mac: Mac;
  /** MAC of the host-side veth, which answers for the gateway. */
  readonly nodeMac: Mac;
};

/** One row of the address-to-identity table (longest prefix wins). */
export type IpcacheEntry = {
  readonly prefix: Prefix;
  readonly identity: number;
  /** Outer (underlay) address of the node that holds the prefix; undefined: local or not tunnelled. */
  readonly tunnelEndpoint: Address | undefined;
};

/** A node of the cluster as the datapath knows it: VXLAN is believed from these outer addresses only. */
export type NodeEntry = {
  readonly address: Address;
  readonly local: boolean;
};

export type DropOrTraceEvent = {
  readonly kind: "drop" | "trace";
  /** CLOCK_BOOTTIME, nanoseconds. */
  readonly timestampNs: bigint;
  /** Cilium's drop reason code (130-255) for drops, the observation point for traces. */
  readonly code: number;
  readonly direction: "ingress" | "egress";
  /** ID of the local endpoint concerned, 0 when none. */
  readonly endpointId: number;
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  readonly ifindex: number;
  /** Length of the packet in the kernel, bytes; `packet` may hold less. */
  readonly packetLength: number;
  /** The packet from its Ethernet header on, at most 128 bytes. */
  readonly packet: Uint8Array;
};

/** Configuration the datapath is loaded with; names follow cilium-config where the meaning is the same. */
export type DatapathConfig = {
  readonly enableIpv4: boolean;
  readonly enableIpv6: boolean;
  readonly routingMode: "tunnel" | "native";
  readonly tunnelPort: number;
  /** Devices facing the underlay (eth0 in the lab). */
  readonly devices: readonly string[];
  /** The node's own addresses on the underlay; the first of each family is used to masquerade. */
  readonly nodeIpv4: Address | undefined;
  readonly nodeIpv6: Address | undefined;
  /** tsi_host's address: the pods' gateway, taken from the node's pod CIDR. */
  readonly routerIpv4: Address | undefined;
  readonly routerIpv6: Address | undefined;
  /** The node's pod CIDRs. */
  readonly podCidrs: readonly Prefix[];
  readonly enableIpv4Masquerade: boolean;
  readonly enableIpv6Masquerade: boolean;
  /** Destinations never masqueraded; in tunnel mode the cluster's pod CIDRs. */
  readonly ipv4NativeRoutingCidr: Prefix | undefined;
  readonly ipv6NativeRoutingCidr: Prefix | undefined;
  /** Underlay MTU, bytes. */
  readonly mtu: number;
  readonly natPortRange: readonly [number, number];
  /** bpf-ct-global-tcp-max: entries of one family's conntrack table; undefined: sized from memory. */
  readonly conntrackMax: number | undefined;
  /** bpf-nat-global-max: entries of one family's NAT table; undefined: two thirds of conntrack. */
  readonly natMax: number | undefined;
  /** Native routing only: install routes to the pod CIDRs of nodes that share our underlay network. */
  readonly autoDirectNodeRoutes: boolean;
};

/** What the datapath must know of another node to route to its pods. */
export type RoutedNode = {
  readonly name: string;
  /** Underlay addresses. */
  readonly ipv4: Address | undefined;
  readonly ipv6: Address | undefined;
  readonly podCidrs: readonly Prefix[];
};

/** One connection as the datapath tracks it. Source and destination are those of the first packet. */
export type ConntrackEntry = {
  readonly protocol: number;
  readonly source: Address;
  readonly sourcePort: number;
  readonly destination: Address;
  readonly destinationPort: number;
  /** CLOCK_MONOTONIC, nanoseconds; past it the connection counts as absent. */
  readonly expiresNs: bigint;
  /** Policy epoch under which its verdict was decided. */
  readonly epoch: number;
  readonly seenReply: boolean;
  /** FIN or RST was seen. */
  readonly closing: boolean;
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
};

/** One direction of an address translation: what is matched, and what is put in its place. */
export type NatEntry = {
  /** forward: a packet leaving gets a new source. reverse: its reply gets its destination back. */
  readonly direction: "forward" | "reverse";
  readonly protocol: number;
  readonly source: Address;
  readonly sourcePort: number;
  readonly destination: Address;
  readonly destinationPort: number;
  readonly translated: Address;
  readonly translatedPort: number;
  readonly expiresNs: bigint;
  /** The node's own connection, kept so that no pod is given its port. */
  readonly ofHost: boolean;
};

/** One line of the metrics map, summed over CPUs. */
export type MetricsEntry = {
  /** 0 for forwarded packets, a drop code otherwise. */
  readonly reason: number;
  readonly reasonText: string;
  readonly direction: "ingress" | "egress";
  readonly packets: bigint;
  readonly bytes: bigint;
};

/** Health of one part of the datapath: a program, a link, a map, a device. */
export type PartStatus = { readonly name: string; readonly ok: boolean; readonly message: string };
