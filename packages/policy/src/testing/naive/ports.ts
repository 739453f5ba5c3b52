// Whether the packet of an encounter is for one of a rule's ports. Each kind of policy writes ports in its own way.
import { destinationPorts, type Encounter } from "./encounter.ts";
import type { CiliumRule, CiliumPortRule, ClusterProtocol, KubePort } from "./objects.ts";

/** Kubernetes: no ports, or an empty list, is every port of every protocol. */
export function isForKubePorts(
  encounter: Encounter,
  ports: readonly KubePort[] | undefined,
): boolean {
  if (ports === undefined || ports.length === 0) return true;
  return ports.some(({ protocol, port, endPort }) => {
    const { question } = encounter;
    if (question.protocol !== (protocol ?? "TCP")) return false;
    if (port === undefined) return true;
    if (typeof port === "string") return isNamed(encounter, port);
    return question.port >= port && question.port <= (endPort ?? port);
  });
}

/** ClusterNetworkPolicy: only an absent list is everything. */
export function isForClusterProtocols(
  encounter: Encounter,
  protocols: readonly ClusterProtocol[] | undefined,
): boolean {
  if (protocols === undefined) return true;
  const { question } = encounter;
  return protocols.some((protocol) => {
    if (protocol.destinationNamedPort !== undefined)
      return isNamed(encounter, protocol.destinationNamedPort);
    const [name, match] = Object.entries(protocol)[0] as [string, ClusterProtocol["tcp"]];
    if (question.protocol !== name.toUpperCase()) return false;
    const port = match?.destinationPort;
    if (port === undefined) return true;
    if (port.range) return question.port >= port.range.start && question.port <= port.range.end;
    return question.port === port.number;
  });
}

/**
 * Cilium's rules: neither `toPorts` nor `icmps` is everything, an empty list nothing. What asks for a proxy allows
 * nothing while there is none.
 */
export function isForCiliumPorts(encounter: Encounter, { toPorts, icmps }: CiliumRule): boolean {
  if (toPorts === undefined && icmps === undefined) return true;
  return (
    (toPorts ?? []).some((rule) => !needsProxy(rule) && isForPortRule(encounter, rule)) ||
    (icmps ?? []).some(({ fields }) => (fields ?? []).some((field) => isIcmp(encounter, field)))
  );
}

function needsProxy(rule: CiliumPortRule): boolean {
  return (
    Object.keys(rule.rules ?? {}).length > 0 ||
    rule.serverNames !== undefined ||
    rule.terminatingTLS !== undefined ||
    rule.originatingTLS !== undefined ||
    rule.listener !== undefined
  );
}

function isForPortRule(encounter: Encounter, { ports }: CiliumPortRule): boolean {
  const { question } = encounter;
  return (ports ?? []).some(({ port = "0", endPort, protocol = "ANY" }) => {
    if (question.protocol === "ICMP") return false;
    if (protocol !== "ANY" && protocol !== "" && protocol.toUpperCase() !== question.protocol)
      return false;
    if (!/^[0-9]+$/.test(port)) return isNamed(encounter, port.toLowerCase());
    const first = Number(port);
    if (first === 0) return true;
    return question.port >= first && question.port <= (endPort || first);
  });
}

const icmpTypes: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  IPv4: {
    EchoReply: 0,
    DestinationUnreachable: 3,
    EchoRequest: 8,
    TimeExceeded: 11,
    Timestamp: 13,
  },
  IPv6: { DestinationUnreachable: 1, PacketTooBig: 2, EchoRequest: 128, EchoReply: 129 },
};

function isIcmp(
  { question }: Encounter,
  { family = "IPv4", type }: { readonly family?: string; readonly type: number | string },
): boolean {
  if (question.protocol !== "ICMP" || family !== `IPv${question.family}`) return false;
  const number = /^[0-9]+$/.test(String(type)) ? Number(type) : icmpTypes[family]?.[type];
  return question.port === number;
}

/** A name stands for the destination's container ports of that name and of the packet's protocol. */
function isNamed(encounter: Encounter, wanted: string): boolean {
  const { protocol, port } = encounter.question;
  return destinationPorts(encounter).some(
    (named) => named.name === wanted && named.protocol === protocol && named.port === port,
  );
}
