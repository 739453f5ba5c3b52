// What of a flow's layer 4 a rule can speak of.
import type { Flow } from "@tsilium/hubble/model.ts";

export type FlowPort =
  | { readonly kind: "port"; readonly protocol: "TCP" | "UDP" | "SCTP"; readonly port: number }
  | { readonly kind: "icmp"; readonly family: 4 | 6; readonly type: number };

/** Of the destination. undefined: the flow has none (another protocol, a fragment, a socket's event). */
export function portOf({ l4 }: Flow): FlowPort | undefined {
  switch (l4?.kind) {
    case undefined:
      return undefined;
    case "icmp4":
    case "icmp6":
      return { kind: "icmp", family: l4.kind === "icmp4" ? 4 : 6, type: l4.type };
    case "tcp":
    case "udp":
    case "sctp":
      return { kind: "port", protocol: protocolNames[l4.kind], port: l4.destinationPort };
  }
}

const protocolNames = { tcp: "TCP", udp: "UDP", sctp: "SCTP" } as const;

/** IP protocol number and port (or ICMP type), as compiled policies ask for them. */
export function numbersOf(port: FlowPort): { readonly protocol: number; readonly port: number } {
  if (port.kind === "icmp") return { protocol: port.family === 4 ? 1 : 58, port: port.type };
  return { protocol: { TCP: 6, UDP: 17, SCTP: 132 }[port.protocol], port: port.port };
}

/** "8080/TCP", "ICMPv6 type 128": for people, and a key for maps. */
export function portText(port: FlowPort): string {
  if (port.kind === "port") return `${port.port}/${port.protocol}`;
  return `ICMPv${port.family} type ${port.type}`;
}
