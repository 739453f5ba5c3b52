// What the map draws: cards, groups around them, and one line for each pair that talks. Made from the model and from
// which namespaces are folded together.
import type { MapNode, MapNodeKind } from "../../src/shared/map-model.ts";
import type { Counts, MapModel } from "./model.ts";

export type Card = {
  /** The node's key, or the namespace's when it is folded. */
  readonly id: string;
  readonly kind: MapNodeKind | "namespace";
  readonly title: string;
  readonly subtitle: string;
  /** Namespace that it is drawn in; "": it stands alone. */
  readonly group: string;
};

export type Group = { readonly id: string; readonly title: string; readonly cards: number };

export type Pair = {
  readonly id: string;
  readonly source: string;
  readonly destination: string;
  /** Numbers of the model's edges. */
  readonly edges: readonly number[];
  /** "TCP 80, 443" */
  readonly label: string;
};

export type MapGraph = {
  /** Changes when what is drawn changes, not when counts do. */
  readonly signature: string;
  readonly cards: readonly Card[];
  readonly groups: readonly Group[];
  readonly pairs: readonly Pair[];
  /** Card -> numbers of edges from it to itself: of a folded namespace, of pods of one workload. */
  readonly inner: ReadonlyMap<string, readonly number[]>;
};

export function namespaceKey(namespace: string): string {
  return `namespace/${encodeURIComponent(namespace)}//`;
}

const mostPortsInLabel = 3;

/** @param folded namespaces that are drawn as one card */
export function mapGraph(model: MapModel, folded: ReadonlySet<string>): MapGraph {
  const cards = new Map<string, Card>();
  const members = new Map<string, number>();
  const pairs = new Map<string, { source: string; destination: string; edges: number[] }>();
  const cardOf = (number: number): string => {
    const node = model.nodes[number] as MapNode;
    const isFolded = node.namespace !== "" && folded.has(node.namespace);
    const id = isFolded ? namespaceKey(node.namespace) : node.key;
    if (!cards.has(id))
      cards.set(id, isFolded ? namespaceCard(node.namespace) : nodeCard(node, model, number));
    return id;
  };
  const inner = new Map<string, number[]>();
  const seen = new Set<number>();
  const meet = (number: number) => {
    if (seen.has(number)) return;
    seen.add(number);
    const { namespace } = model.nodes[number] as MapNode;
    if (namespace !== "") members.set(namespace, (members.get(namespace) ?? 0) + 1);
  };
  const whole = (number: number) => model.same.get(number) ?? number;
  model.edges.forEach((edge, number) => {
    if (!hasCounts(model.totals, number)) return;
    const [from, to] = [whole(edge.source), whole(edge.destination)];
    meet(from);
    meet(to);
    const source = cardOf(from);
    const destination = cardOf(to);
    if (source === destination) {
      inner.set(source, [...(inner.get(source) ?? []), number]);
      return;
    }
    const id = `${source} ${destination}`;
    const pair = pairs.get(id);
    if (pair) pair.edges.push(number);
    else pairs.set(id, { source, destination, edges: [number] });
  });
  const groups = [...members]
    .filter(([namespace]) => !folded.has(namespace))
    .map(([namespace, count]) => ({ id: namespace, title: namespace, cards: count }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const allCards = [...cards.values()].map((card) =>
    card.kind === "namespace" ? withMembers(card, members) : card,
  );
  const allPairs = [...pairs].map(([id, pair]) => ({
    id,
    ...pair,
    label: label(model, pair.edges),
  }));
  return {
    signature: JSON.stringify([
      allCards.map(({ id, subtitle }) => [id, subtitle]),
      allPairs.map(({ id, edges }) => [id, edges.length]),
      [...inner].map(([id, edges]) => [id, edges.length]),
    ]),
    cards: allCards,
    groups,
    pairs: allPairs,
    inner,
  };
}

function hasCounts(totals: readonly number[], edge: number): boolean {
  const at = edge * 4;
  return (
    (totals[at] as number) +
      (totals[at + 1] as number) +
      (totals[at + 2] as number) +
      (totals[at + 3] as number) >
    0
  );
}

function nodeCard(node: MapNode, model: MapModel, number: number): Card {
  const services = [...(model.services.get(number) ?? [])]
    .map((name) => name.replace(/^.*\//, ""))
    // Most are called as what they lead to.
    .filter((name) => name !== node.name);
  const service = services.length > 0 ? `service ${services.toSorted().join(", ")}` : "";
  return {
    id: node.key,
    kind: node.kind,
    title: node.name,
    subtitle: [kindText(node), service].filter((text) => text !== "").join(" · "),
    group: node.namespace,
  };
}

function kindText({ kind, workloadKind, name }: MapNode): string {
  switch (kind) {
    case "workload":
      return workloadKind;
    case "pod":
      return "Pod";
    case "service":
      return "Service";
    case "fqdn":
      return "outside";
    case "cidr":
      return "outside";
    case "reserved":
      return reservedTexts[name] ?? "";
    case "unknown":
      return "nobody knows who";
  }
}

const reservedTexts: Readonly<Record<string, string>> = {
  world: "outside",
  host: "own node",
  "remote-node": "other nodes",
  "kube-apiserver": "Kubernetes API",
  health: "health checks",
  init: "pods that start",
  unmanaged: "pods of nobody",
  ingress: "ingress proxy",
};

function namespaceCard(namespace: string): Card {
  return {
    id: namespaceKey(namespace),
    kind: "namespace",
    title: namespace,
    subtitle: "",
    group: "",
  };
}

function withMembers(card: Card, members: ReadonlyMap<string, number>): Card {
  const count = members.get(card.title) ?? 0;
  return { ...card, subtitle: count === 1 ? "1 workload" : `${count} workloads` };
}

function label(model: MapModel, edges: readonly number[]): string {
  const ports = new Map<string, number[]>();
  for (const number of edges) {
    const { protocol, port } = model.edges[number] as { protocol: string; port: number };
    const list = ports.get(protocol) ?? [];
    ports.set(protocol, list);
    if (port !== 0 && !list.includes(port)) list.push(port);
  }
  return [...ports]
    .map(([protocol, list]) => {
      const shown = list.toSorted((a, b) => a - b).slice(0, mostPortsInLabel);
      const more = list.length > shown.length ? " …" : "";
      return `${protocol} ${shown.join(", ")}${more}`.trim();
    })
    .join(" · ");
}

/** Counts of cards and pairs in one span of time. */
export type MapCounts = {
  readonly spanMs: number;
  readonly pairs: ReadonlyMap<string, Counts>;
  readonly cards: ReadonlyMap<string, Counts>;
  readonly groups: ReadonlyMap<string, Counts>;
};

export function mapCounts(graph: MapGraph, sums: Float64Array, spanMs: number): MapCounts {
  const cards = new Map<string, Counts>();
  const groups = new Map<string, Counts>();
  const pairs = new Map<string, Counts>();
  const groupOf = new Map(graph.cards.map(({ id, group }) => [id, group]));
  for (const [id, edges] of graph.inner) {
    const counts = sumOf(edges, sums);
    add(cards, id, counts);
    const group = groupOf.get(id) ?? "";
    if (group !== "") add(groups, group, counts);
  }
  for (const { id, source, destination, edges } of graph.pairs) {
    const counts = sumOf(edges, sums);
    pairs.set(id, counts);
    add(cards, source, counts);
    add(cards, destination, counts);
    const from = groupOf.get(source) ?? "";
    const to = groupOf.get(destination) ?? "";
    if (from !== "") add(groups, from, counts);
    if (to !== "" && to !== from) add(groups, to, counts);
  }
  return { spanMs, pairs, cards, groups };
}

function sumOf(edges: readonly number[], sums: Float64Array): Counts {
  const counts = zero();
  for (const edge of edges) {
    const at = edge * 4;
    counts.forwarded += sums[at] ?? 0;
    counts.dropped += sums[at + 1] ?? 0;
    counts.audit += sums[at + 2] ?? 0;
    counts.error += sums[at + 3] ?? 0;
  }
  return counts;
}

function zero(): Counts {
  return { forwarded: 0, dropped: 0, audit: 0, error: 0 };
}

function add(to: Map<string, Counts>, key: string, counts: Counts): void {
  const sum = to.get(key) ?? zero();
  to.set(key, sum);
  sum.forwarded += counts.forwarded;
  sum.dropped += counts.dropped;
  sum.audit += counts.audit;
  sum.error += counts.error;
}

export function total({ forwarded, dropped, audit, error }: Counts): number {
  return forwarded + dropped + audit + error;
}
