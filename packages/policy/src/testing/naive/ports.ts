// Whether the packet of an encounter is for one of a rule's ports. Each kind of policy writes ports in its own way.
import { destinationPorts, type Encounter } from "./encounter.ts";
import { kindOf } from "./l7.ts";
import type { CiliumRule, CiliumPortRule, ClusterProtocol, KubePort } from "./objects.ts";

/** Kubernetes: no ports, or an empty list, is every port of every protocol. */
export function isForKubePorts(
  encounter: Encounter,
  ports: readonly KubePort[] | undefined,
): boolean {
  if (ports === undefined || ports.length === 0) return true;
  return kubeForms(encounter, ports).length > 0;
}

/** How the rule writes those of its ports that the packet is for: "TCP 80-80". A name is the port that it stands for. */
export function kubeForms(encounter: Encounter, ports: readonly KubePort[] | undefined): string[] {
  const { question } = encounter;
  const form = (first: number, last: number) => [`${question.protocol} ${first}-${last}`];
  return (ports ?? []).flatMap(({ protocol, port, endPort }) => {
    if (question.protocol !== (protocol ?? "TCP")) return [];
    if (port === undefined) return form(0, 65_535);
    if (typeof port === "string")
      return isNamed(encounter, port) ? form(question.port, question.port) : [];
    const last = endPort ?? port;
    return question.port >= port && question.port <= last ? form(port, last) : [];
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
 * Cilium's rules, without what goes through a proxy: neither `toPorts` nor `icmps` is everything, an empty list nothing.
 */
export function isForCiliumPorts(encounter: Encounter, { toPorts, icmps }: CiliumRule): boolean {
  if (toPorts === undefined && icmps === undefined) return true;
  return (
    plainEntries(toPorts).some((rule) => formsOf(encounter, rule).length > 0) ||
    (icmps ?? []).some(({ fields }) => (fields ?? []).some((field) => isIcmp(encounter, field)))
  );
}

/** Entries that are decided at L4. */
export function plainEntries(toPorts: readonly CiliumPortRule[] | undefined): CiliumPortRule[] {
  return (toPorts ?? []).filter((entry) => kindOf(entry) === "plain");
}

/** How the entry writes those of its ports that the packet is for: "TCP 80-80". A name is the port that it stands for. */
export function formsOf(encounter: Encounter, { ports }: CiliumPortRule): string[] {
  const { question } = encounter;
  const form = (first: number, last: number) => [`${question.protocol} ${first}-${last}`];
  return (ports ?? []).flatMap(({ port = "0", endPort, protocol = "ANY" }) => {
    if (question.protocol === "ICMP") return [];
    if (protocol !== "ANY" && protocol !== "" && protocol.toUpperCase() !== question.protocol)
      return [];
    if (!/^[0-9]+$/.test(port))
      return isNamed(encounter, port.toLowerCase()) ? form(question.port, question.port) : [];
    const first = Number(port);
    if (first === 0 && !endPort) return form(0, 65_535);
    const last = endPort || first;
    return question.port >= first && question.port <= last ? form(first, last) : [];
  });
}

/** The same of an entry with L7 rules: DNS has two protocols, everything else is TCP's. */
export function proxiedForms(encounter: Encounter, entry: CiliumPortRule): string[] {
  const spoken = kindOf(entry) === "dns" ? ["TCP", "UDP"] : ["TCP"];
  return spoken.includes(encounter.question.protocol) ? formsOf(encounter, entry) : [];
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
