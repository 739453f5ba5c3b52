// What the map's streams have told: who is there, who talks to whom, and the counts of each span of time.
import {
  edgeStride,
  type MapBucket,
  type MapEdge,
  type MapNode,
} from "../../src/shared/map-model.ts";
import type { MapLine } from "../../src/shared/stream.ts";

/** Counts of flows. */
export type Counts = { forwarded: number; dropped: number; audit: number; error: number };

export type TimeBucket = Counts & {
  readonly startMs: number;
  readonly lists: (readonly number[])[];
};

/** Where a connection's numbers are on one stream. */
export type Numbering = { readonly nodes: number[]; readonly edges: number[] };

export function newNumbering(): Numbering {
  return { nodes: [], edges: [] };
}

export const noCounts: Counts = Object.freeze({ forwarded: 0, dropped: 0, audit: 0, error: 0 });

export class MapModel {
  readonly bucketMs: number;
  readonly nodes: MapNode[] = [];
  readonly edges: MapEdge[] = [];
  /** By number of the node. */
  readonly services = new Map<number, Set<string>>();
  /** Pods by number, and the workload that they turned out to be of. */
  readonly same = new Map<number, number>();
  /** Counts over all that is kept, edgeStride - 1 for each edge. */
  readonly totals: number[] = [];
  readonly #nodeNumbers = new Map<string, number>();
  readonly #edgeNumbers = new Map<string, number>();
  readonly #buckets = new Map<number, TimeBucket>();

  constructor(bucketMs: number) {
    this.bucketMs = bucketMs;
  }

  /** `numbering`: of the connection that the line came on. */
  take(line: MapLine, numbering: Numbering): void {
    for (const node of line.nodes ?? []) numbering.nodes.push(this.#nodeNumber(node));
    for (const edge of line.edges ?? []) numbering.edges.push(this.#edgeNumber(edge, numbering));
    for (const [node, service] of line.services ?? []) {
      const number = numbering.nodes[node];
      if (number === undefined) continue;
      const names = this.services.get(number) ?? new Set();
      this.services.set(number, names.add(service));
    }
    for (const [pod, workload] of line.same ?? []) {
      const [from, to] = [numbering.nodes[pod], numbering.nodes[workload]];
      if (from !== undefined && to !== undefined && from !== to) this.same.set(from, to);
    }
    for (const bucket of line.buckets ?? []) this.#add(bucket, numbering);
  }

  /** In order. */
  buckets(): readonly TimeBucket[] {
    return [...this.#buckets.values()].toSorted((a, b) => a.startMs - b.startMs);
  }

  get newestMs(): number {
    let newest = 0;
    for (const startMs of this.#buckets.keys()) newest = Math.max(newest, startMs);
    return newest;
  }

  /** Forgets spans that begin before. */
  forgetBefore(timeMs: number): void {
    this.#forget((startMs) => startMs < timeMs);
  }

  /** Forgets spans that begin at `timeMs` or later: they will be told again. */
  forgetFrom(timeMs: number): void {
    this.#forget((startMs) => startMs >= timeMs);
  }

  /** Counts between two times, edgeStride - 1 for each edge. */
  sum(fromMs: number, toMs: number): Float64Array {
    const sums = new Float64Array(this.edges.length * (edgeStride - 1));
    for (const { startMs, lists } of this.#buckets.values()) {
      if (startMs + this.bucketMs <= fromMs || startMs >= toMs) continue;
      for (const list of lists) addTo(sums, list, 1);
    }
    return sums;
  }

  #add({ startMs, edges }: MapBucket, numbering: Numbering): void {
    const list: number[] = [];
    for (let at = 0; at + edgeStride <= edges.length; at += edgeStride) {
      const edge = numbering.edges[edges[at] as number];
      if (edge === undefined) continue;
      list.push(edge);
      for (let place = 1; place < edgeStride; place++) list.push(edges[at + place] as number);
    }
    let bucket = this.#buckets.get(startMs);
    if (!bucket) {
      bucket = { startMs, lists: [], ...noCounts };
      this.#buckets.set(startMs, bucket);
    }
    bucket.lists.push(list);
    addTo(this.totals, list, 1);
    for (let at = 0; at < list.length; at += edgeStride) {
      bucket.forwarded += list[at + 1] as number;
      bucket.dropped += list[at + 2] as number;
      bucket.audit += list[at + 3] as number;
      bucket.error += list[at + 4] as number;
    }
  }

  #forget(isOld: (startMs: number) => boolean): void {
    for (const [startMs, { lists }] of this.#buckets) {
      if (!isOld(startMs)) continue;
      for (const list of lists) addTo(this.totals, list, -1);
      this.#buckets.delete(startMs);
    }
  }

  #nodeNumber(node: MapNode): number {
    const known = this.#nodeNumbers.get(node.key);
    if (known !== undefined) return known;
    const number = this.nodes.push(node) - 1;
    this.#nodeNumbers.set(node.key, number);
    return number;
  }

  #edgeNumber(told: MapEdge, numbering: Numbering): number {
    const source = numbering.nodes[told.source] ?? 0;
    const destination = numbering.nodes[told.destination] ?? 0;
    const key = `${source} ${destination} ${told.protocol} ${told.port}`;
    const known = this.#edgeNumbers.get(key);
    if (known !== undefined) return known;
    const number = this.edges.push({ ...told, source, destination }) - 1;
    this.#edgeNumbers.set(key, number);
    this.totals.push(0, 0, 0, 0);
    return number;
  }
}

function addTo(sums: { [index: number]: number }, list: readonly number[], sign: 1 | -1): void {
  const places = edgeStride - 1;
  for (let at = 0; at < list.length; at += edgeStride) {
    const edge = (list[at] as number) * places;
    for (let place = 0; place < places; place++)
      sums[edge + place] = (sums[edge + place] ?? 0) + sign * (list[at + place + 1] as number);
  }
}
