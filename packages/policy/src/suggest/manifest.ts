// Rules as data -> policy objects, for people and for the API server.
import type { EntityName } from "./party.ts";
import type { FlowPort } from "./port.ts";

export type SuggestedKind = "CiliumNetworkPolicy" | "NetworkPolicy";

/** A selector of pods: those with these labels and without labels of the keys in `absent`. */
export type PodsSelector = {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly absent: readonly string[];
};

export type RulePeer =
  | (PodsSelector & {
      readonly kind: "pods";
      /** "": the policy's own. */
      readonly cluster: string;
    })
  | { readonly kind: "entity"; readonly name: EntityName }
  | { readonly kind: "address"; readonly address: string };

export type SuggestedRule = {
  /** Any of them, all of one kind in a CiliumNetworkPolicy. */
  readonly peers: readonly RulePeer[];
  /** Ports, or ICMP types, not both. */
  readonly ports: readonly FlowPort[];
};

/** A direction that is there isolates the pods in it; without rules it lets nothing through. */
export type SuggestedShape = {
  readonly kind: SuggestedKind;
  readonly name: string;
  readonly subject: PodsSelector;
  readonly ingress?: readonly SuggestedRule[];
  readonly egress?: readonly SuggestedRule[];
};

export type PolicyManifest = {
  readonly apiVersion: string;
  readonly kind: SuggestedKind;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: Readonly<Record<string, unknown>>;
};

export function policyManifest(shape: SuggestedShape): PolicyManifest {
  const metadata = { name: shape.name, namespace: shape.subject.namespace };
  const { kind } = shape;
  if (kind === "CiliumNetworkPolicy")
    return { apiVersion: "cilium.io/v2", kind, metadata, spec: ciliumSpec(shape) };
  return { apiVersion: "networking.k8s.io/v1", kind, metadata, spec: kubernetesSpec(shape) };
}

type Directed = { readonly home: PodsSelector; readonly word: "from" | "to" };

/** Cilium's API takes no more ports than this in one list. */
const portsPerList = 40;

function ciliumSpec({ subject, ingress, egress }: SuggestedShape): Record<string, unknown> {
  const rules = (given: readonly SuggestedRule[], word: "from" | "to") =>
    // A rule that names nobody isolates, as Cilium has it: without any rule a direction would stay open.
    given.length === 0 ? [{}] : given.map((rule) => ciliumRule(rule, { home: subject, word }));
  return {
    endpointSelector: selectorOf(subject),
    ...(ingress === undefined ? {} : { ingress: rules(ingress, "from") }),
    ...(egress === undefined ? {} : { egress: rules(egress, "to") }),
  };
}

function ciliumRule({ peers, ports }: SuggestedRule, directed: Directed): object {
  return { ...ciliumPeers(peers, directed), ...ciliumPorts(ports) };
}

function ciliumPeers(peers: readonly RulePeer[], { home, word }: Directed): object {
  const endpoints = peers.flatMap((peer) =>
    peer.kind === "pods" ? [selectorOf(peer, scopeLabels(peer, home))] : [],
  );
  const entities = peers.flatMap((peer) => (peer.kind === "entity" ? [peer.name] : []));
  const prefixes = peers.flatMap((peer) => (peer.kind === "address" ? [hostPrefix(peer)] : []));
  return {
    ...(endpoints.length === 0 ? {} : { [`${word}Endpoints`]: endpoints }),
    ...(entities.length === 0 ? {} : { [`${word}Entities`]: entities }),
    ...(prefixes.length === 0 ? {} : { [`${word}CIDR`]: prefixes }),
  };
}

/** What a peer of the policy's own namespace and cluster need not say. */
function scopeLabels(
  { namespace, cluster }: RulePeer & { kind: "pods" },
  home: PodsSelector,
): Record<string, string> {
  const found: Record<string, string> = {};
  if (namespace !== home.namespace) found["k8s:io.kubernetes.pod.namespace"] = namespace;
  if (cluster !== "") found["k8s:io.cilium.k8s.policy.cluster"] = cluster;
  return found;
}

function ciliumPorts(ports: readonly FlowPort[]): object {
  const numbered = ports.flatMap((port) =>
    port.kind === "port" ? [{ port: String(port.port), protocol: port.protocol }] : [],
  );
  const fields = ports.flatMap((port) =>
    port.kind === "icmp" ? [{ family: `IPv${port.family}`, type: port.type }] : [],
  );
  const lists = chunks(numbered, portsPerList).map((chunk) => ({ ports: chunk }));
  return {
    ...(lists.length === 0 ? {} : { toPorts: lists }),
    ...(fields.length === 0
      ? {}
      : { icmps: chunks(fields, portsPerList).map((chunk) => ({ fields: chunk })) }),
  };
}

function kubernetesSpec({ subject, ingress, egress }: SuggestedShape): Record<string, unknown> {
  const rules = (given: readonly SuggestedRule[], word: "from" | "to") =>
    given.map(({ peers, ports }) => ({
      [word]: peers.map((peer) => kubernetesPeer(peer, subject)),
      ports: ports.flatMap((port) =>
        port.kind === "port" ? [{ port: port.port, protocol: port.protocol }] : [],
      ),
    }));
  return {
    podSelector: selectorOf(subject),
    policyTypes: [...(ingress ? ["Ingress"] : []), ...(egress ? ["Egress"] : [])],
    ...(ingress ? { ingress: rules(ingress, "from") } : {}),
    ...(egress ? { egress: rules(egress, "to") } : {}),
  };
}

function kubernetesPeer(peer: RulePeer, home: PodsSelector): object {
  if (peer.kind === "address") return { ipBlock: { cidr: hostPrefix(peer) } };
  if (peer.kind === "entity") throw new TypeError("NetworkPolicy knows no entities");
  const podSelector = selectorOf(peer);
  if (peer.namespace === home.namespace) return { podSelector };
  const matchLabels = { "kubernetes.io/metadata.name": peer.namespace };
  return { namespaceSelector: { matchLabels }, podSelector };
}

function selectorOf(
  { labels, absent }: PodsSelector,
  more: Readonly<Record<string, string>> = {},
): object {
  const matchLabels = { ...labels, ...more };
  const matchExpressions = absent.map((key) => ({ key, operator: "DoesNotExist" }));
  return {
    ...(Object.keys(matchLabels).length === 0 ? {} : { matchLabels }),
    ...(absent.length === 0 ? {} : { matchExpressions }),
  };
}

function hostPrefix({ address }: { readonly address: string }): string {
  return `${address}/${address.includes(":") ? 128 : 32}`;
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const found: T[][] = [];
  for (let at = 0; at < items.length; at += size) found.push(items.slice(at, at + size));
  return found;
}
