// Layer4 -> protobuf's JSON of flow.Layer4.
import type { JsonObject } from "@bufbuild/protobuf";
import type { Layer4, TcpFlags } from "../model.ts";
import { JsonFields } from "./json-fields.ts";

const names = { tcp: "TCP", udp: "UDP", icmp4: "ICMPv4", icmp6: "ICMPv6", sctp: "SCTP" } as const;

export function layer4ToJson(l4: Layer4): JsonObject {
  return { [names[l4.kind]]: protocolToJson(l4) };
}

function protocolToJson(l4: Layer4): JsonObject {
  switch (l4.kind) {
    case "tcp":
      return ports(l4).value("flags", l4.flags && flagsToJson(l4.flags)).object;
    case "udp":
    case "sctp":
      return ports(l4).object;
    case "icmp4":
    case "icmp6":
      return new JsonFields().scalar("type", l4.type).scalar("code", l4.code).object;
  }
}

type Ports = { readonly sourcePort: number; readonly destinationPort: number };

function ports({ sourcePort, destinationPort }: Ports): JsonFields {
  return new JsonFields()
    .scalar("source_port", sourcePort)
    .scalar("destination_port", destinationPort);
}

function flagsToJson(flags: TcpFlags): JsonObject {
  return new JsonFields()
    .flag("FIN", flags.fin)
    .flag("SYN", flags.syn)
    .flag("RST", flags.rst)
    .flag("PSH", flags.psh)
    .flag("ACK", flags.ack)
    .flag("URG", flags.urg)
    .flag("ECE", flags.ece)
    .flag("CWR", flags.cwr)
    .flag("NS", flags.ns).object;
}
