// `hubble watch peers` in words. Pure.
import type { ChangeNotification } from "@tsilium/hubble/gen/peer/peer_pb.ts";
import { printable } from "../../../cli/src/output.ts";

const changes = ["UNKNOWN", "PEER_ADDED", "PEER_DELETED", "PEER_UPDATED"];

/** "PEER_ADDED   172.18.0.2:4244 node-1 (TLS.ServerName: node-1.default.hubble-grpc.cilium.io)" */
export function peerLine({ type, address, name, tls }: ChangeNotification): string {
  const change = (changes[type] ?? String(type)).padEnd(12);
  const server = tls ? ` (TLS.ServerName: ${printable(tls.serverName)})` : "";
  return `${change} ${printable(address)} ${printable(name)}${server}\n`;
}
