// Columns and rows: places in a grid that stay what they are while things come and go.
import dagre from "@dagrejs/dagre";

export type Cell = { readonly column: number; readonly row: number };
export type Link = readonly [from: string, to: string];

/** Beyond these, dagre takes longer than its order is worth. */
const mostForDagre = { items: 150, links: 400 } as const;

/** Places for all: who opens connections left of whom it opens them to, and few lines that cross. */
export function arrange(
  items: readonly string[],
  links: readonly Link[],
  mostRows: number,
): Map<string, Cell> {
  const linked = new Set(links.flat());
  const ranks =
    items.length <= mostForDagre.items && links.length <= mostForDagre.links
      ? dagreRanks(
          items.filter((item) => linked.has(item)),
          links,
        )
      : simpleRanks(
          items.filter((item) => linked.has(item)),
          links,
        );
  const byRank = ranks.flatMap((rank) => slices(rank, mostRows));
  // A long chain would make a long line: then it goes on in the next column wherever one is full.
  const isLong = byRank.length > 2 + Math.ceil(items.length / mostRows) * 1.5;
  const columns = isLong ? slices(ranks.flat(), mostRows) : byRank;
  for (const item of items) {
    if (linked.has(item)) continue;
    let column = columns.find((candidate) => candidate.length < mostRows);
    if (!column) {
      column = [];
      columns.push(column);
    }
    column.push(item);
  }
  const cells = new Map<string, Cell>();
  columns.forEach((column, c) =>
    column.forEach((item, row) => cells.set(item, { column: c, row })),
  );
  return cells;
}

function slices(items: readonly string[], size: number): string[][] {
  if (items.length <= size) return [[...items]];
  const found: string[][] = [];
  for (let at = 0; at < items.length; at += size) found.push(items.slice(at, at + size));
  return found;
}

/** A free place for one more, near whom it talks to. */
export function placeFor(
  item: string,
  links: readonly Link[],
  cells: ReadonlyMap<string, Cell>,
  mostRows: number,
): Cell {
  let column = 0;
  let leftmostPeer = Number.POSITIVE_INFINITY;
  for (const [from, to] of links) {
    const other = cells.get(from === item ? to : from);
    if (!other || (from !== item && to !== item)) continue;
    if (to === item) column = Math.max(column, other.column + 1);
    else leftmostPeer = Math.min(leftmostPeer, other.column);
  }
  if (column === 0 && leftmostPeer !== Number.POSITIVE_INFINITY)
    column = Math.max(0, leftmostPeer - 1);
  const taken = new Set([...cells.values()].map((cell) => `${cell.column} ${cell.row}`));
  for (; ; column++) {
    for (let row = 0; row < mostRows; row++)
      if (!taken.has(`${column} ${row}`)) return { column, row };
  }
}

function dagreRanks(items: readonly string[], links: readonly Link[]): string[][] {
  const graph = new dagre.graphlib.Graph();
  graph.setGraph({ rankdir: "LR", ranker: "network-simplex", nodesep: 10, ranksep: 10 });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const item of items) graph.setNode(item, { width: 10, height: 10 });
  const inside = new Set(items);
  for (const [from, to] of links)
    if (inside.has(from) && inside.has(to) && from !== to) graph.setEdge(from, to);
  dagre.layout(graph);
  const byX = new Map<number, { item: string; y: number }[]>();
  for (const item of items) {
    const { x, y } = graph.node(item) as { x: number; y: number };
    const rank = byX.get(x) ?? [];
    byX.set(x, rank);
    rank.push({ item, y });
  }
  return [...byX]
    .toSorted(([a], [b]) => a - b)
    .map(([, rank]) => rank.toSorted((a, b) => a.y - b.y).map(({ item }) => item));
}

/** Steps from who is asked by nobody; within a rank near the middle of whom one talks to. */
function simpleRanks(items: readonly string[], links: readonly Link[]): string[][] {
  const out = new Map<string, string[]>();
  const asked = new Set<string>();
  for (const [from, to] of links) {
    out.set(from, [...(out.get(from) ?? []), to]);
    asked.add(to);
  }
  const rankOf = new Map<string, number>();
  let front = items.filter((item) => !asked.has(item));
  if (front.length === 0) front = items.slice(0, 1);
  const rest = new Set(items);
  for (let rank = 0; rest.size > 0; rank++) {
    for (const item of front) {
      rankOf.set(item, rank);
      rest.delete(item);
    }
    const next = new Set(front.flatMap((item) => out.get(item) ?? []).filter((to) => rest.has(to)));
    front = next.size > 0 ? [...next] : [...rest].slice(0, 1);
  }
  const ranks: string[][] = [];
  for (const item of items) (ranks[rankOf.get(item) ?? 0] ??= []).push(item);
  const rowOf = new Map<string, number>();
  for (const rank of ranks) rank?.forEach((item, row) => rowOf.set(item, row));
  for (let pass = 0; pass < 4; pass++) orderByPeers(ranks, links, rowOf);
  return ranks.filter((rank) => rank !== undefined);
}

function orderByPeers(
  ranks: readonly string[][],
  links: readonly Link[],
  rowOf: Map<string, number>,
): void {
  const sums = new Map<string, { sum: number; count: number }>();
  const note = (item: string, other: string) => {
    const known = sums.get(item) ?? { sum: 0, count: 0 };
    sums.set(item, { sum: known.sum + (rowOf.get(other) ?? 0), count: known.count + 1 });
  };
  for (const [from, to] of links) {
    note(from, to);
    note(to, from);
  }
  const middle = (item: string) => {
    const known = sums.get(item);
    return known ? known.sum / known.count : (rowOf.get(item) ?? 0);
  };
  for (const rank of ranks) {
    rank?.sort((a, b) => middle(a) - middle(b));
    rank?.forEach((item, row) => rowOf.set(item, row));
  }
}
