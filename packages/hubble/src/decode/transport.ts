// What a packet carries above IP, as flows show it.
import type { Layer4 } from "../model.ts";
import { icmpSummary } from "./icmp.ts";
import type { PacketReader } from "./packet.ts";
import { tcpFlags } from "./tcp-flags.ts";

/** undefined: there is none, it is another one, or it is cut off. */
export function layer4(packet: PacketReader): Layer4 | undefined {
  const { l4, sourcePort, destinationPort } = packet;
  switch (l4) {
    case "tcp": {
      const flags = packet.tcpFlags < 0 ? undefined : tcpFlags(packet.tcpFlags).flags;
      return { kind: "tcp", sourcePort, destinationPort, flags };
    }
    case "udp":
    case "sctp":
      return { kind: l4, sourcePort, destinationPort };
    case "icmp4":
    case "icmp6":
      return { kind: l4, type: packet.icmpType, code: packet.icmpCode };
    case "":
      return undefined;
  }
}

/** Of the innermost header. */
export function summaryOf(packet: PacketReader): string {
  switch (packet.l4) {
    case "tcp":
      return packet.tcpFlags < 0 ? "TCP" : tcpFlags(packet.tcpFlags).summary;
    case "udp":
      return "UDP";
    case "sctp":
      return "SCTP";
    case "icmp4":
      return icmpSummary(4, packet.icmpType, packet.icmpCode);
    case "icmp6":
      return icmpSummary(6, packet.icmpType, packet.icmpCode);
    case "":
      if (packet.family !== 0) return packet.family === 4 ? "IPv4" : "IPv6";
      return packet.hasEthernet ? "Ethernet" : "";
  }
}
