// Layer4 <-> protobuf-es's flow.Layer4.
import { create } from "@bufbuild/protobuf";
import { type Layer4 as Layer4Message, Layer4Schema, type TCPFlags } from "../gen/flow/flow_pb.ts";
import type { Layer4, TcpFlags } from "../model.ts";

/** undefined: a protocol that the model has not (VRRP, IGMP), or none. */
export function layer4FromMessage({ protocol }: Layer4Message): Layer4 | undefined {
  switch (protocol.case) {
    case "TCP": {
      const { sourcePort, destinationPort, flags } = protocol.value;
      return {
        kind: "tcp",
        sourcePort,
        destinationPort,
        flags: flags && tcpFlagsFromMessage(flags),
      };
    }
    case "UDP":
    case "SCTP": {
      const { sourcePort, destinationPort } = protocol.value;
      return { kind: protocol.case === "UDP" ? "udp" : "sctp", sourcePort, destinationPort };
    }
    case "ICMPv4":
    case "ICMPv6": {
      const { type, code } = protocol.value;
      return { kind: protocol.case === "ICMPv4" ? "icmp4" : "icmp6", type, code };
    }
    case "VRRP":
    case "IGMP":
    case undefined:
      return undefined;
  }
}

export function messageFromLayer4(l4: Layer4): Layer4Message {
  return create(Layer4Schema, { protocol: protocolInit(l4) });
}

function protocolInit(l4: Layer4) {
  switch (l4.kind) {
    case "tcp": {
      const { sourcePort, destinationPort, flags } = l4;
      const value = { sourcePort, destinationPort, ...(flags && { flags: tcpFlagsInit(flags) }) };
      return { case: "TCP", value } as const;
    }
    case "udp":
      return { case: "UDP", value: l4 } as const;
    case "sctp":
      return { case: "SCTP", value: l4 } as const;
    case "icmp4":
      return { case: "ICMPv4", value: l4 } as const;
    case "icmp6":
      return { case: "ICMPv6", value: l4 } as const;
  }
}

function tcpFlagsFromMessage(flags: TCPFlags): TcpFlags {
  return {
    fin: flags.FIN,
    syn: flags.SYN,
    rst: flags.RST,
    psh: flags.PSH,
    ack: flags.ACK,
    urg: flags.URG,
    ece: flags.ECE,
    cwr: flags.CWR,
    ns: flags.NS,
  };
}

function tcpFlagsInit(flags: TcpFlags) {
  return {
    FIN: flags.fin,
    SYN: flags.syn,
    RST: flags.rst,
    PSH: flags.psh,
    ACK: flags.ack,
    URG: flags.urg,
    ECE: flags.ece,
    CWR: flags.cwr,
    NS: flags.ns,
  };
}
