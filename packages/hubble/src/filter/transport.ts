// Layer 4: ports, protocol, TCP flags.
import type { TCPFlags } from "../gen/flow/flow_pb.ts";
import type { Flow, TcpFlags } from "../model.ts";
import { type Condition, onFlow, type Side } from "./condition.ts";
import { FilterError } from "./error.ts";

/** source_port, destination_port, of TCP, UDP and SCTP. @throws FilterError */
export function onPort(field: string, values: readonly string[], side: Side): Condition {
  const ports = new Set(values.map((value) => parsePort(field, value)));
  return side === "source"
    ? onFlow(2, ({ l4 }) => l4 !== undefined && "sourcePort" in l4 && ports.has(l4.sourcePort))
    : onFlow(
        2,
        ({ l4 }) => l4 !== undefined && "destinationPort" in l4 && ports.has(l4.destinationPort),
      );
}

function parsePort(field: string, value: string): number {
  const port = /^[0-9]{1,20}$/.test(value) ? Number(value) : Number.NaN;
  if (!(port <= 65_535)) {
    throw new FilterError({ field, value, reason: "not a port number (0 to 65535)" });
  }
  return port;
}

/** The names that the filter `protocol` knows, and what a flow of that protocol is. */
const protocols: Readonly<Record<string, (flow: Flow) => boolean>> = {
  icmp: ({ l4 }) => l4?.kind === "icmp4" || l4?.kind === "icmp6",
  icmpv4: ({ l4 }) => l4?.kind === "icmp4",
  icmpv6: ({ l4 }) => l4?.kind === "icmp6",
  // Packets of these two are not told apart by the datapath: no flow has them.
  igmp: () => false,
  vrrp: () => false,
  sctp: ({ l4 }) => l4?.kind === "sctp",
  tcp: ({ l4 }) => l4?.kind === "tcp",
  udp: ({ l4 }) => l4?.kind === "udp",
  dns: ({ l7 }) => l7?.kind === "dns",
  http: ({ l7 }) => l7?.kind === "http",
  kafka: ({ l7 }) => l7?.kind === "kafka",
};

/** "tcp", "HTTP", ... @throws FilterError */
export function onProtocol(field: string, values: readonly string[]): Condition {
  const tests = values.map((value) => {
    const name = value.toLowerCase();
    const test = Object.hasOwn(protocols, name) ? protocols[name] : undefined;
    if (test) return test;
    const reason = `not a protocol (${Object.keys(protocols).join(", ")})`;
    throw new FilterError({ field, value, reason });
  });
  const [only] = tests;
  return onFlow(2, tests.length === 1 && only ? only : (flow) => tests.some((test) => test(flow)));
}

const flagBits = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"] as const;

/** All flags of one of `filters` are set in the flow; others may be, too. */
export function onTcpFlags(filters: readonly TCPFlags[]): Condition {
  const wanted = filters.map((filter) => {
    const { FIN, SYN, RST, PSH, ACK, URG, ECE, CWR, NS } = filter;
    return bits({
      fin: FIN,
      syn: SYN,
      rst: RST,
      psh: PSH,
      ack: ACK,
      urg: URG,
      ece: ECE,
      cwr: CWR,
      ns: NS,
    });
  });
  return onFlow(3, ({ l4 }) => {
    if (l4?.kind !== "tcp" || !l4.flags) return false;
    const set = bits(l4.flags);
    return wanted.some((flags) => (set & flags) === flags);
  });
}

function bits(flags: TcpFlags): number {
  let result = 0;
  for (const [bit, name] of flagBits.entries()) if (flags[name]) result |= 1 << bit;
  return result;
}
