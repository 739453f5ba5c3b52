// Why packets are dropped, for people: Cilium's number and name, what it means, and what to do about it.

export type DropReasonText = {
  /** flow.DropReason's name. */
  readonly name: string;
  readonly meaning: string;
  readonly advice: string;
};

/** No rule allows it. */
export const defaultDeny = 133;
/** A deny rule matched. */
export const denyRule = 181;

export function isOfPolicy(code: number): boolean {
  return code === defaultDeny || code === denyRule;
}

const spoofed =
  "Pods may send from their own addresses alone. Look for software in the pod that makes its own packets (a VPN, a container runtime, a load balancer with keepalived).";
const rare = "If it goes on, look at the agent's log of this node around that time.";
const malformed =
  "The sender made a packet that does not follow the protocol, or it was damaged on the way. Capture it where it is sent: tcpdump in the pod.";
const starting =
  "It passes once the agent has finished. If it goes on for more than some seconds: `tsilium status` on this node.";
const internal = "This is a fault of the datapath. Please report it with the flow's fields.";

const row = (name: string, meaning: string, advice: string): DropReasonText => ({
  name,
  meaning,
  advice,
});

export const dropReasons: Readonly<Record<number, DropReasonText>> = {
  130: row("INVALID_SOURCE_MAC", "The frame's source MAC is not the pod's.", spoofed),
  131: row(
    "INVALID_DESTINATION_MAC",
    "The frame is for a MAC that is not the gateway's.",
    malformed,
  ),
  132: row("INVALID_SOURCE_IP", "The source address or MAC is not the sender's own.", spoofed),
  133: row(
    "POLICY_DENIED",
    "Policies select this pod, and none of their rules allows this.",
    "Allow it with a rule, or leave it: this is what a default deny is for.",
  ),
  134: row("INVALID_PACKET_DROPPED", "The packet's headers are not valid.", malformed),
  135: row(
    "CT_TRUNCATED_OR_INVALID_HEADER",
    "The TCP, UDP, SCTP or ICMP header is cut off or invalid.",
    malformed,
  ),
  136: row(
    "CT_MISSING_TCP_ACK_FLAG",
    "The packet is bigger than the way it has to take, and may not be fragmented. Its sender was told the size that fits.",
    'Senders that heed path MTU discovery send smaller packets by themselves. If they do not: something filters ICMP "fragmentation needed", or the pods\' MTU is set too high.',
  ),
  137: row(
    "CT_UNKNOWN_L4_PROTOCOL",
    "The protocol is not TCP, UDP, SCTP or ICMP, and connection tracking knows no other.",
    "Carry it inside UDP or TCP.",
  ),
  138: row(
    "CT_CANNOT_CREATE_ENTRY_FROM_PACKET",
    "No connection can be made of this packet.",
    malformed,
  ),
  139: row(
    "UNSUPPORTED_L3_PROTOCOL",
    "The frame carries neither IPv4 nor IPv6 nor ARP, or a family that is switched off.",
    "Is IPv6 (or IPv4) enabled: keys enable-ipv4 and enable-ipv6 of the agent?",
  ),
  140: row("MISSED_TAIL_CALL", "A part of the datapath was missing.", internal),
  141: row("ERROR_WRITING_TO_PACKET", "The packet could not be rewritten.", rare),
  142: row("UNKNOWN_L4_PROTOCOL", "The protocol above IP is not known.", malformed),
  143: row("UNKNOWN_ICMPV4_CODE", "The ICMP code is not known.", malformed),
  144: row("UNKNOWN_ICMPV4_TYPE", "The ICMP type is not known.", malformed),
  145: row("UNKNOWN_ICMPV6_CODE", "The ICMPv6 code is not known.", malformed),
  146: row("UNKNOWN_ICMPV6_TYPE", "The ICMPv6 type is not known.", malformed),
  147: row(
    "ERROR_RETRIEVING_TUNNEL_KEY",
    "The tunnel packet did not tell who its sender is.",
    "Do all nodes run the same tunnel protocol? " + rare,
  ),
  148: row(
    "ERROR_RETRIEVING_TUNNEL_OPTIONS",
    "The tunnel packet's options could not be read.",
    rare,
  ),
  149: row("INVALID_GENEVE_OPTION", "The Geneve option is not valid.", rare),
  150: row(
    "UNKNOWN_L3_TARGET_ADDRESS",
    "Nobody has the destination: multicast, broadcast, or a neighbour that pods cannot have.",
    "Multicast does not leave a pod here. Services that look for each other by it (mDNS, SSDP) need their peers' addresses.",
  ),
  151: row(
    "STALE_OR_UNROUTABLE_IP",
    "The destination belongs to the cluster, but no pod or service has it (any longer).",
    "The client keeps an address of a pod that is gone: it should look the name up again. Right after a pod's start or end this is normal.",
  ),
  152: row("NO_MATCHING_LOCAL_CONTAINER_FOUND", "No pod of this node has the address.", rare),
  153: row(
    "ERROR_WHILE_CORRECTING_L3_CHECKSUM",
    "The IP checksum could not be corrected.",
    internal,
  ),
  154: row("ERROR_WHILE_CORRECTING_L4_CHECKSUM", "The checksum could not be corrected.", internal),
  155: row(
    "CT_MAP_INSERTION_FAILED",
    "The table of connections is full.",
    "Somebody opens very many connections: see which pod in the flows of this node. The table's size is the agent's bpf-ct-global-tcp-max and bpf-ct-global-any-max.",
  ),
  156: row(
    "INVALID_IPV6_EXTENSION_HEADER",
    "The chain of IPv6 extension headers is too long or not allowed.",
    malformed,
  ),
  157: row(
    "IP_FRAGMENTATION_NOT_SUPPORTED",
    "Fragments are switched off.",
    "Send smaller packets, or enable fragment tracking.",
  ),
  158: row(
    "SERVICE_BACKEND_NOT_FOUND",
    "The service has no ready backend for this port.",
    "Are pods that the service selects running and ready? `kubectl get endpointslices` shows them; the service's targetPort may be one that they do not have.",
  ),
  160: row(
    "NO_TUNNEL_OR_ENCAPSULATION_ENDPOINT",
    "The other node is not known as a tunnel's end.",
    starting,
  ),
  161: row(
    "FAILED_TO_INSERT_INTO_PROXYMAP",
    "The connection could not be noted for the proxy.",
    rare,
  ),
  162: row(
    "REACHED_EDT_RATE_LIMITING_DROP_HORIZON",
    "The pod sends more than its bandwidth limit.",
    "Raise kubernetes.io/egress-bandwidth of the pod, or send less.",
  ),
  163: row("UNKNOWN_CONNECTION_TRACKING_STATE", "The connection's state makes no sense.", internal),
  164: row("LOCAL_HOST_IS_UNREACHABLE", "The node itself cannot be reached.", starting),
  165: row(
    "NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION",
    "The datapath did not have what it needs to decide yet.",
    starting,
  ),
  166: row(
    "UNSUPPORTED_L2_PROTOCOL",
    "The frame is not Ethernet for the gateway.",
    "Pods reach everything through their gateway; frames for other MACs go nowhere.",
  ),
  167: row(
    "NO_MAPPING_FOR_NAT_MASQUERADE",
    "An answer came for a translation that nobody asked for, that has ended, or for which no port was left.",
    "After long silence a connection is forgotten: use keepalives. If there are many: a client may have used up the node's ports towards one destination.",
  ),
  168: row(
    "UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE",
    "This protocol cannot be translated to the node's address.",
    "Only TCP, UDP and ICMP echo leave the cluster by masquerading.",
  ),
  169: row(
    "FIB_LOOKUP_FAILED",
    "The node has no route to the destination.",
    "`ip route get` on the node shows the same. For other nodes' pods in native routing: is auto-direct-node-routes on, or does the network route pod addresses?",
  ),
  170: row(
    "ENCAPSULATION_TRAFFIC_IS_PROHIBITED",
    "A pod sent a tunnel packet, which nodes alone may.",
    "If it is an overlay of the pod's own: use another UDP port than the cluster's tunnel.",
  ),
  171: row(
    "INVALID_IDENTITY",
    "The packet says an identity that cannot be.",
    "Somebody outside may be forging tunnel packets. " + rare,
  ),
  172: row(
    "UNKNOWN_SENDER",
    "A tunnel packet came from an address that is no node's.",
    "A node that has just joined is known within a second. Otherwise somebody forges tunnel packets.",
  ),
  173: row("NAT_NOT_NEEDED", "Nothing had to be translated.", internal),
  174: row(
    "IS_A_CLUSTERIP",
    "Someone outside of the cluster asked for a cluster IP, which only the cluster serves.",
    "Use a NodePort or LoadBalancer, or set bpf-lb-external-clusterip.",
  ),
  175: row(
    "FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND",
    "A fragment came, but not the datagram's first one, which has the ports.",
    "The first was lost or came later. Avoid fragments: smaller datagrams (for DNS: EDNS size 1232).",
  ),
  176: row(
    "FORBIDDEN_ICMPV6_MESSAGE",
    "Pods may not send this ICMPv6 message (router advertisements, redirects).",
    spoofed,
  ),
  177: row(
    "DENIED_BY_LB_SRC_RANGE_CHECK",
    "The client is outside of the service's loadBalancerSourceRanges.",
    "Add its prefix there, or leave it.",
  ),
  178: row("SOCKET_LOOKUP_FAILED", "The proxy's socket was not found.", rare),
  179: row("SOCKET_ASSIGN_FAILED", "The packet could not be given to the proxy's socket.", rare),
  180: row(
    "PROXY_REDIRECTION_NOT_SUPPORTED_FOR_PROTOCOL",
    "This protocol cannot go through a proxy.",
    "L7 rules are for TCP (and DNS over UDP).",
  ),
  181: row(
    "POLICY_DENY",
    "A deny rule matches.",
    "Deny rules win over every allow rule: the rule itself has to change.",
  ),
  182: row(
    "VLAN_FILTERED",
    "The frame has a VLAN tag that is not let through.",
    "Pods send without tags.",
  ),
  183: row("INVALID_VNI", "The tunnel packet has a VNI that is not the sender's.", rare),
  184: row("INVALID_TC_BUFFER", "The packet's buffer was not usable.", internal),
  185: row("NO_SID", "There is no SRv6 segment for the address.", rare),
  186: row("MISSING_SRV6_STATE", "The SRv6 state was lost.", internal),
  187: row("NAT46", "IPv4 could not be translated to IPv6.", rare),
  188: row("NAT64", "IPv6 could not be translated to IPv4.", rare),
  189: row("AUTH_REQUIRED", "The rule wants mutual authentication, which has not happened.", rare),
  190: row("CT_NO_MAP_FOUND", "There is no table of connections.", starting),
  191: row("SNAT_NO_MAP_FOUND", "There is no table of translations.", starting),
  192: row("INVALID_CLUSTER_ID", "The cluster's id is not valid.", rare),
  193: row(
    "UNSUPPORTED_PROTOCOL_FOR_DSR_ENCAP",
    "This packet cannot take the direct way back to the client (DSR).",
    "Use mode snat for this service, or TCP.",
  ),
  194: row(
    "NO_EGRESS_GATEWAY",
    "The egress gateway was not found.",
    "Does a node match the CiliumEgressGatewayPolicy?",
  ),
  195: row(
    "UNENCRYPTED_TRAFFIC",
    "Encryption is required, and this came in clear.",
    "Do all nodes encrypt?",
  ),
  196: row(
    "TTL_EXCEEDED",
    "The packet's hops are used up.",
    "Traceroute does this on purpose; otherwise there is a loop in the routes.",
  ),
  197: row("NO_NODE_ID", "The node has no number.", starting),
  198: row(
    "DROP_RATE_LIMITED",
    "There were too many of its kind.",
    "It goes on when there are fewer.",
  ),
  199: row(
    "IGMP_HANDLED",
    "An IGMP message that was heeded and goes nowhere else.",
    "Nothing to do.",
  ),
  200: row("IGMP_SUBSCRIBED", "An IGMP subscription that was heeded.", "Nothing to do."),
  201: row(
    "MULTICAST_HANDLED",
    "A multicast packet that was delivered another way.",
    "Nothing to do.",
  ),
  202: row("DROP_HOST_NOT_READY", "The node's own policy is not in force yet.", starting),
  203: row("DROP_EP_NOT_READY", "The pod's policy is not in force yet.", starting),
  204: row(
    "DROP_NO_EGRESS_IP",
    "The egress gateway has no address to send from.",
    "Give the gateway's interface an address.",
  ),
  205: row("DROP_PUNT_PROXY", "The packet was handed to the proxy.", "Nothing to do."),
  206: row("DROP_NO_DEVICE", "The interface to send by is gone.", starting),
};

/** INVALID_SOURCE_IP -> "Invalid source IP". Of an unknown code: the number. */
export function dropReasonTitle(code: number): string {
  // The API's names of the two, POLICY_DENIED and POLICY_DENY, do not tell them apart.
  if (code === defaultDeny) return "Denied by default";
  if (code === denyRule) return "Denied by a rule";
  const name = dropReasons[code]?.name;
  if (name === undefined) return `Reason ${code}`;
  const text = name
    .replace(/^DROP_/, "")
    .toLowerCase()
    .split("_")
    .map((word) => written[word] ?? word)
    .join(" ");
  return (text[0] as string).toUpperCase() + text.slice(1);
}

const written: Readonly<Record<string, string>> = {
  ack: "ACK",
  clusterip: "ClusterIP",
  ct: "CT",
  dsr: "DSR",
  edt: "EDT",
  ep: "endpoint",
  fib: "FIB",
  icmpv4: "ICMPv4",
  icmpv6: "ICMPv6",
  ip: "IP",
  ipv6: "IPv6",
  l2: "L2",
  l3: "L3",
  l4: "L4",
  lb: "LB",
  mac: "MAC",
  nat: "NAT",
  nat46: "NAT46",
  nat64: "NAT64",
  sid: "SID",
  snat: "SNAT",
  srv6: "SRv6",
  tcp: "TCP",
  ttl: "TTL",
  vlan: "VLAN",
  vni: "VNI",
};

export const dropReasonNames: readonly string[] = Object.values(dropReasons).map(
  ({ name }) => name,
);
