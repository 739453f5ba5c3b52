// One packet seen from one pod that policy may hold to account: who the pod is, who the other is, and what is known of
// the other there.
import type { SourcedLabel } from "./selector.ts";
import {
  addressOf,
  type Family,
  familyOf,
  type KubeLabels,
  type Namespace,
  type NamedPort,
  type Party,
  type Pod,
  type Question,
  type Settings,
  type World,
} from "./world.ts";

export type Encounter = {
  readonly world: World;
  readonly direction: "ingress" | "egress";
  /** The pod whose policy is asked. */
  readonly subject: Pod;
  readonly peer: Party;
  /** The peer's address in the packet. */
  readonly address: string;
  readonly question: Question;
};

/** The pod's side of a question; undefined where the question has no pod on that side. */
export function encounterOf(
  world: World,
  question: Question,
  direction: "ingress" | "egress",
): Encounter | undefined {
  const [mine, other] =
    direction === "egress" ? [question.from, question.to] : [question.to, question.from];
  const address =
    direction === "egress" ? addressOf(other, question.family) : sourceOf(other, question.family);
  if (mine.kind !== "pod" || address === undefined) return undefined;
  return { world, direction, subject: mine.pod, peer: other, address, question };
}

function sourceOf(party: Party, family: Family): string | undefined {
  const sources = party.kind === "node" ? party.node.sources : undefined;
  return sources?.find((address) => familyOf(address) === family) ?? addressOf(party, family);
}

/** The pod that the peer is, if its labels are known: what selectors of Kubernetes' kinds can select. */
export function peerPod({ peer }: Encounter): Pod | undefined {
  return peer.kind === "pod" && !peer.pod.init ? peer.pod : undefined;
}

export function namespaceOf(world: World, name: string): Namespace {
  return world.namespaces.find((namespace) => namespace.name === name) ?? { name, labels: {} };
}

/** Labels of a pod that nobody but its owner set: what is derived from elsewhere cannot be forged by a label. */
export function ownLabels(pod: Pod): KubeLabels {
  return Object.fromEntries(
    Object.entries(pod.labels).filter(
      ([key]) => !key.startsWith("io.cilium.k8s") && key !== "io.kubernetes.pod.namespace",
    ),
  );
}

/** A pod's labels as Cilium's selectors see them. */
export function podLabels(world: World, pod: Pod): SourcedLabel[] {
  if (pod.init) return [reserved("init")];
  const derived: [string, string][] = [
    ["io.kubernetes.pod.namespace", pod.namespace],
    ["io.cilium.k8s.policy.cluster", world.clusterName],
    ...Object.entries(namespaceOf(world, pod.namespace).labels).map(
      ([key, value]): [string, string] => [`io.cilium.k8s.namespace.labels.${key}`, value],
    ),
  ];
  if (pod.serviceAccount) derived.push(["io.cilium.k8s.policy.serviceaccount", pod.serviceAccount]);
  return [...Object.entries(ownLabels(pod)), ...derived].map(([key, value]) => ({
    source: "k8s",
    key,
    value,
  }));
}

/** The peer's labels as Cilium's selectors see them on the subject's node. */
export function peerLabels(encounter: Encounter): SourcedLabel[] {
  const { world, peer, subject, address } = encounter;
  switch (peer.kind) {
    case "pod":
      return podLabels(world, peer.pod);
    case "reserved":
      return [reserved(peer.reserved.entity)];
    case "outside":
      return [reserved(worldName(world, address)), ...apiServerLabel(world, [address])];
    case "node": {
      const apiServer = apiServerLabel(world, peer.node.addresses);
      const own = Object.entries(peer.node.labels).map(([key, value]) => ({
        source: "node",
        key,
        value,
      }));
      const isHere = peer.node.name === subject.node;
      return [reserved(isHere ? "host" : "remote-node"), ...apiServer, ...own];
    }
  }
}

/** A CIDR of Cilium's is about who is outside the cluster, and who `policy-cidr-match-mode` adds. */
export function isMeantByCidr({ peer }: Encounter, { cidrMatchMode }: Settings): boolean {
  if (peer.kind === "outside" || cidrMatchMode.includes("pods")) return true;
  return peer.kind === "node" && cidrMatchMode.includes("nodes");
}

/** With both families, each has a world of its own. */
function worldName({ families }: World, address: string): string {
  return families.length === 2 ? `world-ipv${familyOf(address)}` : "world";
}

function apiServerLabel(world: World, addresses: readonly string[]): SourcedLabel[] {
  const isApiServer = addresses.some((address) => world.apiServer?.includes(address));
  return isApiServer ? [reserved("kube-apiserver")] : [];
}

function reserved(name: string): SourcedLabel {
  return { source: "reserved", key: name, value: "" };
}

/**
 * The named ports that a rule's port names can stand for: the destination's. Of a peer they are those of every pod with
 * the same identity, since policy knows peers by identity.
 */
export function destinationPorts(encounter: Encounter): readonly NamedPort[] {
  const { world, direction, subject, peer } = encounter;
  if (direction === "ingress") return subject.namedPorts ?? [];
  if (peer.kind !== "pod") return [];
  const identity = identityText(world, peer.pod);
  return world.pods
    .filter((pod) => identityText(world, pod) === identity)
    .flatMap((pod) => pod.namedPorts ?? []);
}

function identityText(world: World, pod: Pod): string {
  const texts = podLabels(world, pod).map(({ source, key, value }) => `${source}:${key}=${value}`);
  return texts.sort().join(";");
}
