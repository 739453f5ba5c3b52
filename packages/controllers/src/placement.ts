// May this pod run on that node? Pure: the rules of selectors, affinity, taints and host ports.
import type {
  Node,
  NodeSelectorTerm,
  Pod,
  PodAffinityTerm,
  PodSpec,
  Taint,
  Toleration,
} from "@tsilium/kube";
import { controllerOf, expressionHolds, isReady, selects } from "./objects.ts";

/** The pods that are bound to each node already. */
export type Occupancy = ReadonlyMap<string, readonly Pod[]>;

export type World = { readonly nodes: readonly Node[]; readonly occupancy: Occupancy };

/** Why a pod may not run on a node, in words that add up in a message; undefined when it may. */
export function obstacle(pod: Pod, node: Node, world: World): string | undefined {
  if (!isReady(node)) return "node(s) were not ready";
  if (node.spec?.unschedulable) return "node(s) were unschedulable";
  if (!matchesNode(pod.spec, node)) return "node(s) didn't match Pod's node affinity/selector";
  const taint = repellingTaint(pod.spec.tolerations, node.spec?.taints);
  if (taint) return `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ""}}`;
  if (portsClash(pod, world.occupancy.get(node.metadata.name ?? "") ?? [])) {
    return "node(s) didn't have free ports for the requested pod ports";
  }
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  const wanted = podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  if (
    !wanted.every(
      (term) => hasNeighbour(term, { pod, node, world }) || isFirstOfItsKind(term, pod, world),
    )
  ) {
    return "node(s) didn't match pod affinity rules";
  }
  const shunned = podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
  if (shunned.some((term) => hasNeighbour(term, { pod, node, world }))) {
    return "node(s) didn't match pod anti-affinity rules";
  }
  return undefined;
}

/** nodeSelector and required node affinity. */
export function matchesNode(spec: PodSpec, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  const selected = Object.entries(spec.nodeSelector ?? {}).every(
    ([key, value]) => labels[key] === value,
  );
  const terms =
    spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  return selected && (terms === undefined || terms.some((term) => termHolds(term, node)));
}

function termHolds(term: NodeSelectorTerm, node: Node): boolean {
  const expressions = term.matchExpressions ?? [];
  const fields = term.matchFields ?? [];
  if (expressions.length + fields.length === 0) return false;
  const labels = node.metadata.labels ?? {};
  const named = { "metadata.name": node.metadata.name ?? "" };
  return (
    expressions.every((expression) => expressionHolds(expression, labels)) &&
    fields.every((field) => expressionHolds(field, named))
  );
}

/** The first taint that keeps the pod away, undefined when it tolerates them all. */
export function repellingTaint(
  tolerations: readonly Toleration[] = [],
  taints: readonly Taint[] = [],
): Taint | undefined {
  return taints.find(
    (taint) =>
      taint.effect !== "PreferNoSchedule" &&
      !tolerations.some((toleration) => tolerates(toleration, taint)),
  );
}

function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect && toleration.effect !== taint.effect) return false;
  if (!toleration.key) return toleration.operator === "Exists";
  if (toleration.key !== taint.key) return false;
  return toleration.operator === "Exists" || (toleration.value ?? "") === (taint.value ?? "");
}

function hostPorts(pod: Pod): string[] {
  return pod.spec.containers.flatMap((container) =>
    (container.ports ?? []).flatMap((port) => {
      const number = port.hostPort ?? (pod.spec.hostNetwork ? port.containerPort : 0);
      return number > 0 ? [`${port.protocol ?? "TCP"}/${number}`] : [];
    }),
  );
}

function portsClash(pod: Pod, others: readonly Pod[]): boolean {
  const wanted = new Set(hostPorts(pod));
  return (
    wanted.size > 0 && others.some((other) => hostPorts(other).some((port) => wanted.has(port)))
  );
}

type Spot = { readonly pod: Pod; readonly node: Node; readonly world: World };

/** Does a pod that the term selects run in the same topology domain as the node? */
function hasNeighbour(term: PodAffinityTerm, { pod, node, world }: Spot): boolean {
  const domain = node.metadata.labels?.[term.topologyKey];
  if (domain === undefined) return false;
  return world.nodes
    .filter((other) => other.metadata.labels?.[term.topologyKey] === domain)
    .flatMap((other) => world.occupancy.get(other.metadata.name ?? "") ?? [])
    .some((other) => isSelected(term, pod, other));
}

/** The first pod of a group that wants to be together cannot find the others. */
function isFirstOfItsKind(term: PodAffinityTerm, pod: Pod, world: World): boolean {
  if (!isSelected(term, pod, pod)) return false;
  return ![...world.occupancy.values()].flat().some((other) => isSelected(term, pod, other));
}

function isSelected(term: PodAffinityTerm, pod: Pod, other: Pod): boolean {
  const namespaces = term.namespaces?.length ? term.namespaces : [pod.metadata.namespace ?? ""];
  return (
    namespaces.includes(other.metadata.namespace ?? "") &&
    selects(term.labelSelector, other.metadata.labels)
  );
}

/**
 * The node for a pod: the one with the fewest pods of the same controller, then with the fewest pods, then
 * the first by name. Undefined when there is none.
 */
export function choose(pod: Pod, world: World): Node | undefined {
  const owner = controllerOf(pod)?.uid;
  const score = (node: Node): readonly [number, number, string] => {
    const there = world.occupancy.get(node.metadata.name ?? "") ?? [];
    const siblings = owner ? there.filter((other) => controllerOf(other)?.uid === owner).length : 0;
    return [siblings, there.length, node.metadata.name ?? ""];
  };
  return world.nodes
    .filter((node) => obstacle(pod, node, world) === undefined)
    .map((node) => ({ node, score: score(node) }))
    .sort((a, b) => compareScores(a.score, b.score))[0]?.node;
}

function compareScores(
  a: readonly [number, number, string],
  b: readonly [number, number, string],
): number {
  return a[0] - b[0] || a[1] - b[1] || (a[2] < b[2] ? -1 : 1);
}

/** "0/2 nodes are available: 2 node(s) were not ready." */
export function whyNowhere(pod: Pod, world: World): string {
  const counts = new Map<string, number>();
  for (const node of world.nodes) {
    const why = obstacle(pod, node, world);
    if (why) counts.set(why, (counts.get(why) ?? 0) + 1);
  }
  const reasons = [...counts].map(([why, count]) => `${count} ${why}`).sort();
  const all = world.nodes.length;
  return all === 0
    ? "no nodes available to schedule pods"
    : `0/${all} nodes are available: ${reasons.join(", ")}.`;
}
