// The one MTU calculator. Devices keep the underlay's MTU, so that local pods and reassembly lose nothing; routes
// towards other nodes carry the smaller size that fits once this node's encapsulation is added.
import type { DatapathConfig } from "../model.ts";

/** The facts of the configuration that sizes depend on. */
export type MtuFacts = Pick<DatapathConfig, "mtu" | "routingMode" | "nodeIpv4" | "enableIpv6">;

/** Inner Ethernet 14 + UDP 8 + VXLAN 8 (RFC 7348), bytes; the outer IP header comes on top. */
const vxlanWithoutOuterIp = 14 + 8 + 8;
const ipv4HeaderBytes = 20;
const ipv6HeaderBytes = 40;

/** RFC 8200 section 5: no IPv6 link may be smaller. */
const smallestIpv6Mtu = 1280;

/** MTU of every device that Tsilium makes (pod veths, tsi_host, tsi_net), bytes: the underlay's own. */
export function deviceMtu(facts: MtuFacts): number {
  return facts.mtu;
}

/**
 * Bytes that the encapsulation adds to a packet: 0 in native routing, 50 for VXLAN over IPv4, 70 for VXLAN over
 * IPv6 (nodes without an IPv4 address).
 */
export function encapsulationOverhead(facts: MtuFacts): number {
  if (facts.routingMode === "native") return 0;
  return vxlanWithoutOuterIp + (facts.nodeIpv4 === undefined ? ipv6HeaderBytes : ipv4HeaderBytes);
}

/** MTU of routes that may lead through the encapsulation (a pod's default route, remote pod CIDRs), bytes. */
export function routeMtu(facts: MtuFacts): number {
  return facts.mtu - encapsulationOverhead(facts);
}

/**
 * What is wrong with the underlay's MTU for this mode, as a sentence; undefined when nothing is. IPv6 needs 1280
 * bytes on every link (RFC 8200), IPv4 works down to 576 (RFC 1122's reassembly minimum).
 */
export function mtuProblem(facts: MtuFacts): string | undefined {
  const smallest = facts.enableIpv6 ? smallestIpv6Mtu : 576;
  const left = routeMtu(facts);
  if (left >= smallest) return undefined;
  const overhead = encapsulationOverhead(facts);
  return `mtu ${facts.mtu} leaves ${left} bytes after ${overhead} of encapsulation; at least ${smallest} are needed`;
}
