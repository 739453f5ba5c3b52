// The rule that would let a connection through a default deny, in the terms of the object that isolates.
import { dump } from "js-yaml";
import type { Question } from "./describe.ts";
import type { RuleView } from "./explanation.ts";
import { parsePort, type TestPort } from "./port.ts";

/** Who is at an end, as a rule can name it. */
export type End =
  | {
      readonly kind: "pod";
      readonly namespace: string;
      /** The pod's own, without those derived from its namespace. */
      readonly labels: Readonly<Record<string, string>>;
    }
  | { readonly kind: "address"; readonly address: string }
  | { readonly kind: "entity"; readonly name: string };

export type Needed = {
  readonly question: Question;
  readonly ends: { readonly from: End; readonly to: End };
  readonly direction: "ingress" | "egress";
  /** One of the objects that isolate. */
  readonly like: RuleView;
};

/** Its YAML's lines; undefined where no such rule can be written: a NetworkPolicy knows no entities. */
export function suggestedRule(needed: Needed): string[] | undefined {
  const { ends, direction, like } = needed;
  const subject = direction === "egress" ? ends.from : ends.to;
  const peer = direction === "egress" ? ends.to : ends.from;
  const port = parsePort(needed.question.port);
  // In a clusterwide policy a peer without a namespace is one of any.
  const isNamespaced = like.kind !== "CiliumClusterwideNetworkPolicy";
  const home = isNamespaced && subject.kind === "pod" ? subject.namespace : undefined;
  const rule =
    like.kind === "NetworkPolicy"
      ? kubernetesRule(direction, peer, { port, home })
      : ciliumRule(direction, peer, { port, home });
  return (
    rule &&
    dump({ [direction]: [rule] }, { lineWidth: 100 })
      .trimEnd()
      .split("\n")
  );
}

type Context = {
  readonly port: TestPort;
  /** The policy's namespace: a peer in it needs no namespace of its own. */
  readonly home: string | undefined;
};

function kubernetesRule(
  direction: "ingress" | "egress",
  peer: End,
  { port, home }: Context,
): object | undefined {
  // NetworkPolicy cannot speak of ICMP or of entities.
  if (peer.kind === "entity" || port.kind === "icmp") return undefined;
  const block = { ipBlock: { cidr: peer.kind === "address" ? hostPrefix(peer.address) : "" } };
  const ports = [{ port: portValue(port), ...protocolOf(port, "TCP") }];
  return {
    [direction === "ingress" ? "from" : "to"]: [
      peer.kind === "address" ? block : kubernetesPeer(peer, home),
    ],
    ports,
  };
}

function kubernetesPeer(peer: End & { readonly kind: "pod" }, home: string | undefined): object {
  const podSelector = { matchLabels: peer.labels };
  if (peer.namespace === home) return { podSelector };
  const matchLabels = { "kubernetes.io/metadata.name": peer.namespace };
  return { namespaceSelector: { matchLabels }, podSelector };
}

function ciliumRule(direction: "ingress" | "egress", peer: End, { port, home }: Context): object {
  const word = direction === "ingress" ? "from" : "to";
  return { ...ciliumPeer(word, peer, home), ...ciliumPorts(port) };
}

function ciliumPeer(word: "from" | "to", peer: End, home: string | undefined): object {
  if (peer.kind === "entity") return { [`${word}Entities`]: [peer.name] };
  if (peer.kind === "address") return { [`${word}CIDR`]: [hostPrefix(peer.address)] };
  const foreign =
    peer.namespace === home ? {} : { "k8s:io.kubernetes.pod.namespace": peer.namespace };
  return { [`${word}Endpoints`]: [{ matchLabels: { ...peer.labels, ...foreign } }] };
}

function ciliumPorts(port: TestPort): object {
  if (port.kind !== "icmp")
    return {
      toPorts: [{ ports: [{ port: String(portValue(port)), ...protocolOf(port, "ANY") }] }],
    };
  const families = port.family === undefined ? ([4, 6] as const) : [port.family];
  const fields = families.map((family) => ({
    family: `IPv${family}`,
    type: port.family === undefined && family === 6 ? 128 : port.type,
  }));
  return { icmps: [{ fields }] };
}

function portValue(port: TestPort & { readonly kind: "number" | "named" }): number | string {
  return port.kind === "number" ? port.port : port.name;
}

function protocolOf(port: TestPort, otherwise: string): { readonly protocol: string } {
  const named = port.kind === "icmp" ? undefined : port.protocol;
  return { protocol: named ?? otherwise };
}

function hostPrefix(address: string): string {
  return `${address}/${address.includes(":") ? 128 : 32}`;
}
