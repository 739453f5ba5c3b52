// Names of numbers in flows, as labels of metrics have them.
import { DropReason, IPVersion, Verdict } from "../gen/flow/flow_pb.ts";
import { EventType, type Flow, TrafficDirection } from "../model.ts";

/** The names of a generated enumeration, by number. */
function namesOf(enumeration: Readonly<Record<string, number>>): (number: number) => string {
  const names = new Map(Object.entries(enumeration).map(([name, number]) => [number, name]));
  return (number) => names.get(number) ?? String(number);
}

export const verdictName = namesOf(Verdict);
export const dropReasonName = namesOf(DropReason);
const familyName = namesOf(IPVersion);

/** "IPv4", "IPv6"; "" without a network header. */
export function familyOf({ ip }: Flow): string {
  return ip ? familyName(ip.version) : "";
}

const l4Names = { tcp: "TCP", udp: "UDP", sctp: "SCTP", icmp4: "ICMPv4", icmp6: "ICMPv6" } as const;
const l7Names = { dns: "DNS", http: "HTTP", kafka: "Kafka" } as const;

/** "TCP", "ICMPv6", ...; "" without a transport header. */
export function l4Name({ l4 }: Flow): string {
  return l4 ? l4Names[l4.kind] : "";
}

/** The protocol that tells most of a flow, as Cilium names it. */
export function protocolOf(flow: Flow): string {
  switch (flow.eventType.type) {
    case EventType.l7:
      return flow.l7 ? l7Names[flow.l7.kind] : "Unknown L7";
    case EventType.drop:
    case EventType.trace:
    case EventType.policyVerdict:
    case EventType.capture:
      return l4Name(flow) || "Unknown L4";
    default:
      return "Unknown flow";
  }
}

/** Monitor's names of trace points, by sub-type. */
export const tracePointNames: readonly string[] = [
  "to-endpoint",
  "to-proxy",
  "to-host",
  "to-stack",
  "to-overlay",
  "from-endpoint",
  "from-proxy",
  "from-host",
  "from-stack",
  "from-overlay",
  "from-network",
  "to-network",
  "from-crypto",
  "to-crypto",
];

/** By policyMatchType. */
export const policyMatchNames: readonly string[] = [
  "none",
  "l3-only",
  "l3-l4",
  "l4-only",
  "all",
  "l3-proto",
  "proto-only",
];

/** "ingress", "egress", as policy_verdicts_total has it. */
export function directionName({ direction }: Flow): string {
  if (direction === TrafficDirection.egress) return "egress";
  return direction === TrafficDirection.ingress ? "ingress" : "traffic_direction_unknown";
}

/** Who saw an L7 record: the proxy of who asked, or of who answered. */
export function reporterOf({ direction }: Flow): string {
  if (direction === TrafficDirection.egress) return "client";
  return direction === TrafficDirection.ingress ? "server" : "unknown";
}
