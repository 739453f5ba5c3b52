// Parsed packets as text: one line for people watching, a full listing for tests to compare.
import { icmpTypeName, protocolName } from "./names.ts";
import type { ChecksumState, ParsedIcmp, ParsedIp, ParsedPacket } from "./parsed.ts";

/** One line: "10.0.0.1:4000 -> 10.0.0.2:80 tcp SYN". Says what matters, not everything. */
export function formatPacket(packet: ParsedPacket): string {
  const error = packet.error ? ` [${packet.error}]` : "";
  return headline(packet) + error;
}

function headline(packet: ParsedPacket): string {
  const { ip, arp, ethernet } = packet;
  if (arp) {
    const what =
      arp.operation === 1
        ? `who has ${arp.target}? tell ${arp.sender}`
        : `${arp.sender} is at ${arp.senderMac}`;
    return `arp ${what}`;
  }
  if (!ip) {
    if (!ethernet) return `${packet.payload.length} bytes`;
    return `${ethernet.source} -> ${ethernet.destination} ethertype 0x${ethernet.type.toString(16).padStart(4, "0")}`;
  }
  const ports = packet.tcp ?? packet.udp ?? packet.sctp;
  const from = endpoint(ip, "source", ports?.sourcePort);
  const to = endpoint(ip, "destination", ports?.destinationPort);
  return [`${from} -> ${to}`, transport(packet, ip), fragmentText(ip)].filter(Boolean).join(" ");
}

function endpoint(ip: ParsedIp, side: "source" | "destination", port: number | undefined): string {
  if (port === undefined) return ip[side].toString();
  return ip.version === 4 ? `${ip[side]}:${port}` : `[${ip[side]}]:${port}`;
}

function transport(packet: ParsedPacket, ip: ParsedIp): string {
  const { tcp, udp, icmp, vxlan, inner } = packet;
  if (tcp) return `tcp ${tcp.flags.join(",") || "no flags"}`;
  if (vxlan) return `vxlan vni ${vxlan.vni} | ${formatPacket(vxlan.inner)}`;
  if (inner) return `${protocolName(ip.protocol)} | ${formatPacket(inner)}`;
  if (udp) return "udp";
  if (icmp) {
    const about = icmp.quoted ? ` about (${formatPacket(icmp.quoted)})` : "";
    return `${protocolName(ip.protocol)} ${icmpText(icmp, ip.version)}${about}`;
  }
  return protocolName(ip.protocol);
}

function icmpText(icmp: ParsedIcmp, version: 4 | 6): string {
  const { type, code, id, sequence, mtu, target, linkLayer } = icmp;
  return [
    icmpTypeName(version, type) + (code === 0 ? "" : ` code ${code}`),
    id === undefined ? "" : `id ${id} seq ${sequence}`,
    mtu === undefined ? "" : `mtu ${mtu}`,
    target ? `target ${target}` : "",
    linkLayer ? `at ${linkLayer}` : "",
  ]
    .filter(Boolean)
    .join(" ");
}

function fragmentText({ fragment }: ParsedIp): string {
  return fragment
    ? `fragment id ${fragment.id} at ${fragment.offset}${fragment.more ? "+" : ""}`
    : "";
}

/**
 * Everything a test wants to see, one header per line, checksums that are not right marked. Two packets with
 * the same description are the same but for fields nobody asks about (TCP options, IPv4 id of whole packets).
 */
export function describePacket(packet: ParsedPacket): string {
  return lines(packet).join("\n");
}

function lines(packet: ParsedPacket): string[] {
  const { ethernet, vlan, arp, ip, tcp, udp, sctp, icmp, vxlan, inner } = packet;
  const { payload, error, truncated } = packet;
  const found: string[] = [];
  if (ethernet) found.push(`ether ${ethernet.source} -> ${ethernet.destination}`);
  if (vlan) found.push(`vlan ${vlan.id} priority ${vlan.priority}`);
  if (arp)
    found.push(
      `arp ${arp.operation === 1 ? "request" : "reply"} ${arp.sender} (${arp.senderMac}) -> ${arp.target} (${arp.targetMac})`,
    );
  if (ip) found.push(ipLine(ip));
  if (tcp)
    found.push(
      `tcp ${tcp.sourcePort} -> ${tcp.destinationPort} ${tcp.flags.join(",")} seq ${tcp.seq} ack ${tcp.ack}${mark(tcp.checksum)}`,
    );
  if (udp) found.push(`udp ${udp.sourcePort} -> ${udp.destinationPort}${mark(udp.checksum)}`);
  if (sctp)
    found.push(
      `sctp ${sctp.sourcePort} -> ${sctp.destinationPort} tag ${sctp.tag}${mark(sctp.checksum)}`,
    );
  if (icmp && ip)
    found.push(`${protocolName(ip.protocol)} ${icmpText(icmp, ip.version)}${mark(icmp.checksum)}`);
  if (icmp?.quoted) found.push(...lines(icmp.quoted).map((line) => `  ${line}`));
  if (vxlan) found.push(`vxlan vni ${vxlan.vni}`, ...lines(vxlan.inner).map((line) => `  ${line}`));
  if (inner) found.push(...lines(inner).map((line) => `  ${line}`));
  if (!vxlan && !inner && !icmp?.quoted && payload.length > 0)
    found.push(`payload ${payload.length} bytes`);
  if (truncated) found.push("truncated");
  if (error) found.push(`error: ${error}`);
  return found;
}

function ipLine(ip: ParsedIp): string {
  const extensions = ip.extensions.map((number) => ` +${protocolName(number)}`).join("");
  return [
    `ipv${ip.version} ${ip.source} -> ${ip.destination} ttl ${ip.ttl}${extensions}`,
    ip.options ? `options ${hex(ip.options)}` : "",
    ip.trafficClass ? `class ${ip.trafficClass}` : "",
    ip.dontFragment ? "df" : "",
    fragmentText(ip),
  ]
    .filter(Boolean)
    .join(" ")
    .concat(mark(ip.checksum));
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Right and absent checksums go without saying. */
function mark(state: ChecksumState): string {
  return state === "bad" ? " BAD CHECKSUM" : "";
}
