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
  /** Number that its policy is looked up by, 1-65534; 0: none yet, and everything is dropped (203). */
  readonly subject: number;
  /** SO_NETNS_COOKIE of the pod's namespace; 0n: not known. */
  readonly netnsCookie: bigint;
};

/** One row of the address-to-identity table (longest prefix wins). */
export type IpcacheEntry = {
  readonly prefix: Prefix;
  readonly identity: number;
  /** Outer (underlay) address of the node that holds the prefix; undefined: local or not tunnelled. */
  readonly tunnelEndpoint: Address | undefined;
  /** Changes when the address goes to somebody else, also to one of the same identity; opaque, not 0. */
  readonly owner: number;
  /** Number of the set of policy prefixes that cover this one, 0 for none. */
  readonly cidrSet: number;
};

/** As the pod sees it. */
export type Direction = "ingress" | "egress";

/** What the sender of a denied packet hears. icmp: unreachable, administratively prohibited; rst: a TCP reset. */
export type DenyResponse = "drop" | "icmp" | "rst";

/** What the kernel does with a packet that an entry matches. "deny" is a rule's, or nobody's allowing it: the rule number tells (bpf/maps/policy.h, enum policy_verdict). */
export type EntryVerdict = "deny" | "allow" | "audit" | "redirect";

/**
 * One direction of a policy as the kernel holds it (docs/decisions/0006). Slots are never changed in what they decide
 * for a peer that is known already, only added to; a change of policy makes a new one.
 */
export type CompiledSlot = {
  /** Index into tsi_policy, from 2 on (1 allows everything, 0 is "not known yet"). */
  readonly slot: number;
  readonly direction: Direction;
  /** What no rule entry decides. */
  readonly otherwise: { readonly verdict: EntryVerdict; readonly rule: number };
  readonly response: DenyResponse;
  /** Which port prefix lengths (0-16) entries have. */
  readonly portLengths: readonly number[];
  /** Peers are looked at by address too. */
  readonly usesCidr: boolean;
  /** Peers without a class entry are not looked at by address. */
  readonly defaultIgnoresCidr: boolean;
  /** A peer whose identity is not known is refused: some known one is treated worse than strangers. */
  readonly knownPeersOnly: boolean;
  readonly classes: readonly ClassEntry[];
  readonly cidrClasses: readonly CidrClassEntry[];
  readonly rules: readonly RuleEntry[];
};

/** identity -> class within a slot; identities without an entry are class 0. */
export type ClassEntry = {
  readonly identity: number;
  readonly class: number;
  readonly ignoresCidr: boolean;
};

/** cidr-set -> cidr class within a slot; sets without an entry are cidr class 0. */
export type CidrClassEntry = { readonly cidrSet: number; readonly class: number };

/** (class, cidr class, protocol, port prefix) -> verdict. The longest port prefix wins; protocol 0 is any, with length 0. */
export type RuleEntry = {
  readonly class: number;
  readonly cidrClass: number;
  readonly protocol: number;
  /** Of the destination, host byte order; an ICMP type for ICMP. Bits past `portLength` are 0. */
  readonly port: number;
  readonly portLength: number;
  readonly verdict: EntryVerdict;
  readonly response: DenyResponse;
  /** For people: a rule, or the default deny of a set of policies. */
  readonly rule: number;
  /** Of a redirect: the port of the proxy's listener that enforces the rule set; 0 for other verdicts. */
  readonly proxyPort: number;
};

/** Which slots a subject is held to. */
export type SubjectSlots = {
  readonly subject: number;
  readonly ingress: number;
  readonly egress: number;
};

/** What an address and port is to its clients. */
export type FrontendKind =
  /** Not for clients from outside the cluster (174), unless configured. */
  | "cluster-ip"
  | "node-port"
  /** An external IP or a load balancer's address. */
  | "external"
  | "host-port"
  /** A service's address, whatever the port (0): traffic to ports that have no frontend of their own is dropped (158). */
  | "address-only";

/** An address and port of a service, as the kernel holds it (bpf/maps/service.h). */
export type FrontendEntry = FrontendKey & {
  /** Not 0; what flows remember the frontend by, so kept as long as the frontend lives. */
  readonly id: number;
  readonly kind: FrontendKind;
  /** Backend sets for clients from outside and for those of the cluster. 0: none. */
  readonly externalSet: number;
  readonly internalSet: number;
  readonly localRedirect: boolean;
  /** Answers of remote backends go to clients directly. */
  readonly dsr: boolean;
  /** Whether clients from outside must be in `SourceRange`s of this frontend. */
  readonly hasSourceRanges: boolean;
  /** Whether `ServiceException`s of this frontend are looked up. */
  readonly hasExceptions: boolean;
};

export type FrontendKey = {
  /**
   * 0.0.0.0 (mapped in the kernel, as every IPv4 address) or "::": any address of a node of that family, for sockets that
   * ask for a NodePort or HostPort. undefined is read as "::".
   */
  readonly address: Address | undefined;
  /** Host byte order. */
  readonly port: number;
  /** 6, 17 or 132; 0 of an address-only frontend. */
  readonly protocol: number;
};

export type BackendEntry = {
  /** Not 0, below 2^31. */
  readonly id: number;
  readonly address: Address;
  readonly port: number;
  readonly protocol: number;
  /** terminating: serves the flows that it has. For people; whom new flows get, sets decide. */
  readonly state: "active" | "terminating";
};

/** Whom new flows of a frontend are balanced over. */
export type BackendSetEntry = {
  /** 1 to the size of tsi_lb_set. */
  readonly id: number;
  /** Backends' ids, one slot each. Slots whose backend stays the same are not written. */
  readonly backends: readonly number[];
  /** Seconds that a client stays with its backend, 0: it does not. */
  readonly affinityTimeoutS: number;
  /** Without backends clients hear nothing, instead of a reset or an ICMP error. */
  readonly silent: boolean;
  /** Backend id per entry, `maglevTableSize` of them; undefined: random. */
  readonly maglev: Uint32Array | undefined;
};

/** A prefix that clients of a frontend may come from. */
export type SourceRange = { readonly frontend: number; readonly prefix: Prefix };

/** A pod that meets a frontend's address itself instead of being balanced. */
export type ServiceException = FrontendKey & { readonly netnsCookie: bigint };

/**
 * Changes to the kernel's services. Applied in an order in which a packet never meets a frontend whose set, or a slot
 * whose backend, is not there: backends, slots, sets, ranges, exceptions, frontends; then removals the other way round.
 */
export type ServiceChanges = {
  readonly backends: Delta<BackendEntry>;
  readonly sets: Delta<BackendSetEntry>;
  readonly frontends: Delta<FrontendEntry>;
  readonly sourceRanges: Delta<SourceRange>;
  readonly exceptions: Delta<ServiceException>;
};

/** `remove` holds what is in the kernel, as it was written. */
export type Delta<T> = { readonly put: readonly T[]; readonly remove: readonly T[] };

/** All that the kernel holds of services; Maglev tables are left out (`maglev` is undefined or empty). */
export type ServiceSurvey = {
  readonly backends: readonly BackendEntry[];
  readonly sets: readonly BackendSetEntry[];
  readonly frontends: readonly FrontendEntry[];
  readonly sourceRanges: readonly SourceRange[];
  readonly exceptions: readonly ServiceException[];
};

/** A flow that is balanced per packet, and the backend that it has. */
export type ServiceFlow = {
  readonly protocol: number;
  readonly client: Address;
  readonly clientPort: number;
  readonly frontend: Address;
  readonly frontendPort: number;
  readonly backend: number;
  readonly expiresNs: bigint;
};

/** A client that stays with its backend. `netnsCookie` of clients known before they have an address. */
export type ServiceAffinity = {
  readonly client: Address | undefined;
  readonly netnsCookie: bigint | undefined;
  readonly set: number;
  readonly backend: number;
  readonly usedNs: bigint;
};

/** How services are served by the datapath; names of keys follow cilium-config. */
export type ServiceConfig = {
  /** bpf-lb-sock, bpf-lb-sock-hostns-only: whose sockets are balanced at connect(). */
  readonly socketLb: "all" | "host" | "none";
  /** cgroup v2 folder that the node's processes, pods included, are in. */
  readonly cgroupRoot: string;
  /** Packets from outside are balanced at the node's devices. */
  readonly nodePort: boolean;
  readonly nodePortRange: readonly [number, number];
  /** bind() to a service's node port fails. */
  readonly bindProtection: boolean;
  /**
   * Unless "none", some frontends are `dsr` (bpf-lb-mode dsr or hybrid, or annotations that may say so). How backends'
   * nodes are told of the frontend (bpf-lb-dsr-dispatch): opt: by an IPv4 option or IPv6 destination option; ipip: by
   * another packet around it, where the backend listens on the frontend's port; native routing only.
   */
  readonly dsr: "none" | "opt" | "ipip";
  /** bpf-lb-external-clusterip */
  readonly externalClusterIp: boolean;
  /** bpf-lb-acceleration: XDP at the node's devices. best-effort: native where the driver can, else not at all. */
  readonly acceleration: "disabled" | "native" | "best-effort" | "generic";
  /** A prime. */
  readonly maglevTableSize: number;
  /** What flows are hashed from; the same on all nodes. */
  readonly maglevSeed: number;
  /** bpf-lb-map-max: entries of each table of services; undefined: what bpf/maps/service.h says. */
  readonly mapMax: number | undefined;
};

/** A node of the cluster as the datapath knows it: VXLAN is believed from these outer addresses only. */
export type NodeEntry = {
  readonly address: Address;
  readonly local: boolean;
};

/** What a policy-verdict event says; denials are told of as drops too. */
export type VerdictWord = "deny" | "default-deny" | "allow" | "audit" | "redirect";

/**
 * Which forwarded packets make events (Cilium's monitor aggregation). connections: each connection's first packet, its
 * first of each TCP flag that counts, and one at times, in each direction. sent: every packet where it goes. all: and
 * where it comes from.
 */
export type TraceLevel = "off" | "connections" | "sent" | "all";

/** What has a ring, and a budget, of its own: drops, verdicts and refused calls; traces and translations. */
export type EventClass = "verdicts" | "traces";

/** Events of one CPU since the maps were made. Lost: over the budget, or the ring was full. */
export type EventLosses = {
  readonly class: EventClass;
  readonly cpu: number;
  readonly lost: bigint;
  readonly sent: bigint;
};

export type DatapathEvent = PacketEvent | TranslationEvent;

export type PacketEvent = {
  readonly kind: "drop" | "trace" | "policy-verdict";
  /** CLOCK_BOOTTIME, nanoseconds. */
  readonly timestampNs: bigint;
  readonly cpu: number;
  /** Cilium's drop reason code (130-255) for drops, Cilium's observation point for traces, a VerdictWord's number. */
  readonly code: number;
  /** Of a policy-verdict. */
  readonly verdict: VerdictWord | undefined;
  /** Number of the policy rule that decided (for a default deny, of the policies that cause it), 0: none did. */
  readonly rule: number;
  /** `FrontendEntry.id` that the flow was opened to, 0: none, or not known. */
  readonly frontend: number;
  readonly direction: "ingress" | "egress";
  readonly isReply: boolean;
  /** Of a trace, Cilium's flow.TraceReason. */
  readonly traceReason: number;
  /** ID of the local endpoint concerned: whose policy it was, who sends or gets the packet; 0 when none. */
  readonly endpointId: number;
  /** 0: not known when the event was made. */
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  readonly ifindex: number;
  /** Length of the packet in the kernel, bytes; `packet` may hold less. */
  readonly packetLength: number;
  /** The packet from its Ethernet header on, at most 128 bytes. */
  readonly packet: Uint8Array;
};

/** A socket's connect() or sendmsg() to a service's address. */
export type TranslationEvent = {
  readonly kind: "translation";
  /** CLOCK_BOOTTIME, nanoseconds. */
  readonly timestampNs: bigint;
  readonly cpu: number;
  /** There was no backend, and the call failed. */
  readonly isRefused: boolean;
  readonly frontend: number;
  readonly protocol: number;
  /** What was asked for. */
  readonly address: Address;
  readonly port: number;
  /** What it became. */
  readonly backend: { readonly address: Address; readonly port: number } | undefined;
  readonly socketCookie: bigint;
  readonly cgroupId: bigint;
  /** Whose socket it is: of an endpoint's network namespace (`EndpointEntry.netnsCookie`), or the node's. */
  readonly netnsCookie: bigint;
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
  /** enable-ip-masq-agent: `Datapath.masquerade` names more of them while programs run. */
  readonly ipMasqAgent?: boolean;
  /** Underlay MTU, bytes. */
  readonly mtu: number;
  readonly natPortRange: readonly [number, number];
  /** bpf-ct-global-tcp-max: entries of one family's conntrack table; undefined: sized from memory. */
  readonly conntrackMax: number | undefined;
  /** bpf-nat-global-max: entries of one family's NAT table; undefined: two thirds of conntrack. */
  readonly natMax: number | undefined;
  /** bpf-policy-map-max: entries of each of the node's policy tables; undefined: what bpf/maps/policy.h says. */
  readonly policyMax?: number | undefined;
  /** Native routing only: install routes to the pod CIDRs of nodes that share our underlay network. */
  readonly autoDirectNodeRoutes: boolean;
  readonly services: ServiceConfig;
  /** Policies may redirect to proxies of this node (enable-l7-proxy). */
  readonly l7Proxy?: boolean;
  /** undefined: as bpf/config.h says. */
  readonly events?: EventConfig | undefined;
};

/** How much of what happens makes events; whether it does at all is switched while programs run. */
export type EventConfig = {
  /** Drops and verdicts of policy, per CPU; what exceeds it is lost, and counted. */
  readonly verdictsPerSecond: number;
  /** Traces and translations, per CPU. */
  readonly tracesPerSecond: number;
  /** monitor-aggregation-flags, bits of a TCP header: FIN 1, SYN 2, RST 4, PSH 8, ACK 16. */
  readonly traceFlags: number;
  /** monitor-aggregation-interval; the kernel counts in steps of 2^30 ns. */
  readonly traceIntervalMs: number;
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
  /** Frontend (`FrontendEntry.id`) whose address replies carry, 0: none. */
  readonly frontend: number;
  /** Listener that the opening side's packets are handed to, host byte order; 0: none. Of TCP the one that accepted it. */
  readonly proxyPort: number;
  /** Which part of a connection through proxies: the client's (or all of one that no proxy has), or what a proxy opened. */
  readonly part: "client" | "egress-proxy" | "ingress-proxy";
};

/** One direction of an address translation: what is matched, and what is put in its place. */
export type NatEntry = {
  /**
   * forward: a packet leaving gets a new source. reverse: its reply gets its destination back. answer: what a service's
   * backend answers gets the service's address as its source.
   */
  readonly direction: "forward" | "reverse" | "answer";
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
  /** reverse: frontend (`FrontendEntry.id`) that the client sees in place of who answers, 0: none. */
  readonly frontend: number;
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

/** Whether, and how, a part of services is on. Not `ok`: it is asked for, and this node cannot do it. */
export type ServiceFeature = PartStatus & { readonly enabled: boolean };
