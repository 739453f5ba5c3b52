// What is seen of the frames that no pod may send (../drop-cases.ts): the pod that sent them, whatever address they bear.
export const dropLines: Readonly<Record<string, string>> = {
  "another pod's IPv4 address": "INVALID_SOURCE_IP: client@far:4000 -> world-ipv4@world:9999 UDP",
  "another pod's IPv6 address": "INVALID_SOURCE_IP: client@far:4000 -> world-ipv6@world:9999 UDP",
  "its node's address": "INVALID_SOURCE_IP: client@node-1:4000 -> far:9999 UDP",
  "another source MAC": "INVALID_SOURCE_IP: client:4000 -> far:9999 UDP",
  "ARP in another pod's name": "INVALID_SOURCE_IP: client@nowhere -> nobody@nowhere Ethernet",
  "a frame for another MAC than its gateway's":
    "UNSUPPORTED_L2_PROTOCOL: client:4000 -> far:9999 UDP",
  "a VLAN tag": "VLAN_FILTERED: client:4000 -> far:9999 UDP",
  "an L3 protocol that nobody knows":
    "UNSUPPORTED_L3_PROTOCOL: client@nowhere -> nobody@nowhere Ethernet",
  "VXLAN to another node, as the host":
    "ENCAPSULATION_TRAFFIC_IS_PROHIBITED: client:any -> remote-node@node-2:8472 UDP",
  "VXLAN to its own node, as the host":
    "ENCAPSULATION_TRAFFIC_IS_PROHIBITED: client:any -> host@node-1:8472 UDP",
  "VXLAN over IPv6":
    "ENCAPSULATION_TRAFFIC_IS_PROHIBITED: client:any -> remote-node@node-2:8472 UDP",
  "an IPv4 fragment whose first one never came":
    "FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND: client -> far IPv4",
  "an IPv6 fragment whose first one never came":
    "FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND: client -> far IPv6",
  "an IPv4 header of another version":
    "INVALID_PACKET_DROPPED: client@nowhere -> nobody@nowhere Ethernet",
  "an IPv4 header shorter than it can be":
    "INVALID_PACKET_DROPPED: client@nowhere -> nobody@nowhere Ethernet",
  "an IPv6 header of another version":
    "INVALID_PACKET_DROPPED: client@nowhere -> nobody@nowhere Ethernet",
  "a TCP fragment that would overwrite the first one's flags":
    "INVALID_PACKET_DROPPED: client -> far IPv4",
  "IPv6 extension headers without end":
    "INVALID_IPV6_EXTENSION_HEADER: client:4000 -> far:9999 UDP",
  "a TCP header that ends early": "CT_TRUNCATED_OR_INVALID_HEADER: client:4000 -> far:80 TCP",
  "a TCP header shorter than it can be":
    "CT_TRUNCATED_OR_INVALID_HEADER: client:4000 -> far:80 TCP SYN",
  "an L4 protocol that nobody knows": "CT_UNKNOWN_L4_PROTOCOL: client -> far IPv4",
  multicast: "UNKNOWN_L3_TARGET_ADDRESS: client:4000 -> world-ipv4@224.0.0.251:9999 UDP",
  "a router advertisement": "FORBIDDEN_ICMPV6_MESSAGE: client -> far ICMPv6 RouterAdvertisement",
};
