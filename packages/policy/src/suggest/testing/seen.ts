// Clusters and what was seen of them, from a seed: groups of pods, some of whose labels contain another's; who may talk
// to whom; and flows as nodes record them, of what is allowed and of what is denied.
import {
  emptyFlow,
  EventType,
  type Flow,
  type FlowEndpoint,
  FlowType,
  ObservationPoint,
  TraceReason,
  TrafficDirection,
  unknownEndpoint,
  Verdict,
} from "@tsilium/hubble/model.ts";

export type Random = () => number;

/** Numbers in [0, 1), always the same for a seed (mulberry32). */
export function randomNumbers(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Somebody who talks. Those of one group are the same to policy. */
export type Someone = {
  readonly group: string;
  readonly endpoint: FlowEndpoint;
  readonly address: string;
};

export type Port = NonNullable<Flow["l4"]>;

export function podEndpoint(
  namespace: string,
  labels: Readonly<Record<string, string>>,
  name: string,
): FlowEndpoint {
  const own = Object.entries(labels).map(([key, value]) => `k8s:${key}=${value}`);
  return {
    ...unknownEndpoint,
    id: 7,
    identity: 1000 + (hash(namespace + own.join()) % 50_000),
    clusterName: "default",
    namespace,
    podName: name,
    labels: [
      ...own,
      `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace}`,
      "k8s:io.cilium.k8s.policy.cluster=default",
      "k8s:io.cilium.k8s.policy.serviceaccount=default",
      `k8s:io.kubernetes.pod.namespace=${namespace}`,
    ],
  };
}

export function entityEndpoint(name: string, identity: number): FlowEndpoint {
  return { ...unknownEndpoint, identity, labels: [`reserved:${name}`] };
}

export function tcp(destinationPort: number): Port {
  return { kind: "tcp", sourcePort: 40_000, destinationPort, flags: { ...noFlags, syn: true } };
}

export function udp(destinationPort: number): Port {
  return { kind: "udp", sourcePort: 40_000, destinationPort };
}

const noFlags = {
  fin: false,
  syn: false,
  rst: false,
  psh: false,
  ack: false,
  urg: false,
  ece: false,
  cwr: false,
  ns: false,
};

export type Talk = { readonly from: Someone; readonly to: Someone; readonly port: Port };

/** A packet of it as the pod at one end is seen to send or get it. */
export function packet(talk: Talk, side: "egress" | "ingress", more: Partial<Flow> = {}): Flow {
  const { from, to, port } = talk;
  const point = side === "egress" ? ObservationPoint.fromLxc : ObservationPoint.toLxc;
  return {
    ...emptyFlow,
    timeNs: 1_790_000_000_000_000_000n,
    type: FlowType.l3l4,
    verdict: Verdict.forwarded,
    source: from.endpoint,
    destination: to.endpoint,
    ip: {
      source: from.address,
      sourceXlated: "",
      destination: to.address,
      version: from.address.includes(":") ? 2 : 1,
      encrypted: false,
    },
    l4: port,
    isReply: false,
    eventType: { type: EventType.trace, subType: point },
    observationPoint: point,
    traceReason: TraceReason.new,
    direction: side === "egress" ? TrafficDirection.egress : TrafficDirection.ingress,
    ...more,
  };
}

/** What nodes record of a connection that is let through: both ends' packets, and the answers. */
export function forwarded(talk: Talk): Flow[] {
  const { from, to, port } = talk;
  const back: Talk = {
    from: to,
    to: from,
    port:
      "type" in port
        ? { ...port, type: port.kind === "icmp4" ? 0 : 129 }
        : { ...port, sourcePort: port.destinationPort, destinationPort: port.sourcePort },
  };
  const reply = { isReply: true, traceReason: TraceReason.reply };
  return [
    ...(isPod(from) ? [packet(talk, "egress"), packet(back, "ingress", reply)] : []),
    ...(isPod(to) ? [packet(talk, "ingress"), packet(back, "egress", reply)] : []),
  ];
}

/** Of one that the sender's policy lets out or not, and the receiver's does not let in. */
export function denied(talk: Talk, side: "egress" | "ingress"): Flow[] {
  const drop = packet(talk, side, {
    verdict: Verdict.dropped,
    dropReason: 133,
    isReply: undefined,
    eventType: { type: EventType.drop, subType: 133 },
    observationPoint: -1,
    traceReason: 0,
  });
  if (side === "egress" || !isPod(talk.from)) return [drop];
  return [packet(talk, "egress"), drop];
}

export function isPod({ endpoint }: Someone): boolean {
  return endpoint.namespace !== "";
}

function hash(text: string): number {
  let value = 7;
  for (const character of text) value = (value * 31 + (character.codePointAt(0) ?? 0)) >>> 0;
  return value;
}

const namespaces = ["shop", "data", "ops"];
const labelKeys = ["app", "tier", "track", "team"];
const theWorld = ["203.0.113.7", "198.51.100.9", "2001:db8::5"];

export type SeenCluster = {
  readonly people: readonly Someone[];
  readonly ports: readonly Port[];
  /** By group: who may talk to whom on which port. */
  mayTalk(talk: Talk): boolean;
};

export function randomCluster(random: Random): SeenCluster {
  const below = (limit: number) => Math.floor(random() * limit);
  const people: Someone[] = [];
  for (let number = 0; number < 3 + below(8); number++) {
    const namespace = namespaces[below(namespaces.length)] as string;
    const labels: Record<string, string> = {};
    for (const key of labelKeys) if (random() < 0.5) labels[key] = `v${below(2)}`;
    const group = `${namespace} ${JSON.stringify(labels)}`;
    for (let replica = 0; replica < 1 + below(2); replica++) {
      const hashes = { "pod-template-hash": `h${below(99)}` };
      people.push({
        group,
        endpoint: podEndpoint(namespace, random() < 0.5 ? { ...labels, ...hashes } : labels, "pod"),
        address: `10.244.${number}.${replica + 2}`,
      });
    }
  }
  for (const [number, address] of theWorld.entries())
    people.push({ group: `world ${number}`, endpoint: entityEndpoint("world", 2), address });
  people.push({
    group: "remote-node",
    endpoint: entityEndpoint("remote-node", 6),
    address: "172.18.0.3",
  });
  const ports: Port[] = [
    tcp(80),
    tcp(8080),
    udp(53),
    udp(80),
    { kind: "icmp4", type: 8, code: 0 },
    { kind: "icmp6", type: 128, code: 0 },
    { kind: "sctp", sourcePort: 1, destinationPort: 99 },
  ];
  const share = random();
  const decided = new Map<string, boolean>();
  return {
    people,
    ports,
    mayTalk({ from, to, port }) {
      const key = `${from.group}>${to.group}>${JSON.stringify(port)}`;
      const known = decided.get(key) ?? random() < share;
      decided.set(key, known);
      return known;
    },
  };
}
