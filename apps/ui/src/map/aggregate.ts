// Counts flows per connection of the map and span of time. What it holds is bounded: beyond so many ports of a pair
// they are one, beyond so many names outside they are the world.
import type { Flow } from "@tsilium/hubble/model.ts";
import {
  type MapBucket,
  type MapEdge,
  type MapNode,
  type MapSame,
  type MapService,
} from "../shared/map-model.ts";
import type { MapNames } from "./node-of.ts";

export type MapNews = {
  readonly nodes?: readonly MapNode[];
  readonly edges?: readonly MapEdge[];
  readonly services?: readonly MapService[];
  readonly same?: readonly MapSame[];
  readonly buckets?: readonly MapBucket[];
  /** Flows that no place was left for. */
  readonly skipped?: number;
};

const most = { nodes: 5_000, edges: 20_000, portsOfPair: 16, namesOutside: 60 } as const;

/** Offsets of counts after the edge's number: forwarded, dropped, audit, error. By Verdict. */
const placeOfVerdict = [4, 1, 2, 4, 3, 1, 1, 1] as const;

export class MapAggregate {
  readonly bucketMs: number;
  readonly #names: MapNames;
  readonly #nodes = new Map<string, number>();
  /** Pods that were told, and whose workload nobody knew then. */
  readonly #lonely = new Map<number, MapNode>();
  readonly #edges = new Map<string, number>();
  readonly #ports = new Map<string, number>();
  readonly #services = new Set<string>();
  /** Start of bucket -> number of edge -> place in the list, which is as on the wire. */
  #buckets = new Map<number, { places: Map<number, number>; edges: number[] }>();
  #namesOutside = 0;
  #news: { nodes: MapNode[]; edges: MapEdge[]; services: MapService[] } = emptyNews();
  #skipped = 0;

  constructor(bucketMs: number, names: MapNames) {
    this.bucketMs = bucketMs;
    this.#names = names;
  }

  add(flow: Flow): void {
    const ends = this.#names.ends(flow);
    if (!ends) return;
    const source = this.#node(ends.source);
    const destination = this.#node(ends.destination);
    const edge = this.#edge(source, destination, ends.protocol, ends.port);
    if (edge < 0) {
      this.#skipped++;
      return;
    }
    if (ends.service && ends.destination.kind !== "service")
      this.#service(destination, `${ends.service.namespace}/${ends.service.name}`);
    const timeMs = Number(flow.timeNs / 1_000_000n);
    this.#count(timeMs - (timeMs % this.bucketMs), edge, placeOfVerdict[flow.verdict] ?? 1);
  }

  /** What came since the last call. undefined: nothing. */
  takeNews(): MapNews | undefined {
    const same = this.#newlyKnown();
    const { nodes, edges, services } = this.#news;
    if (this.#buckets.size === 0 && this.#skipped === 0) return undefined;
    const buckets = [...this.#buckets].map(([startMs, { edges: counts }]) => ({
      startMs,
      edges: counts,
    }));
    const skipped = this.#skipped;
    this.#buckets = new Map();
    this.#news = emptyNews();
    this.#skipped = 0;
    return {
      ...(nodes.length > 0 ? { nodes } : {}),
      ...(edges.length > 0 ? { edges } : {}),
      ...(services.length > 0 ? { services } : {}),
      ...(same.length > 0 ? { same } : {}),
      ...(buckets.length > 0 ? { buckets } : {}),
      ...(skipped > 0 ? { skipped } : {}),
    };
  }

  /** Pods whose workload has become known since they were told. */
  #newlyKnown(): [number, number][] {
    const found: [number, number][] = [];
    for (const [number, pod] of this.#lonely) {
      const workload = this.#names.workloadOf(pod);
      if (!workload) continue;
      this.#lonely.delete(number);
      const same = this.#node(workload);
      if (same >= 0) found.push([number, same]);
    }
    return found;
  }

  #count(startMs: number, edge: number, place: number): void {
    let bucket = this.#buckets.get(startMs);
    if (!bucket) {
      bucket = { places: new Map(), edges: [] };
      this.#buckets.set(startMs, bucket);
    }
    let at = bucket.places.get(edge);
    if (at === undefined) {
      at = bucket.edges.length;
      bucket.places.set(edge, at);
      bucket.edges.push(edge, 0, 0, 0, 0);
    }
    bucket.edges[at + place] = (bucket.edges[at + place] as number) + 1;
  }

  /** -1: there are too many. */
  #node(node: MapNode): number {
    const known = this.#nodes.get(node.key);
    if (known !== undefined) return known;
    if (node.kind === "fqdn" || node.kind === "cidr") {
      if (this.#namesOutside >= most.namesOutside) return this.#node(world);
      this.#namesOutside++;
    }
    if (this.#nodes.size >= most.nodes) return -1;
    const number = this.#nodes.size;
    this.#nodes.set(node.key, number);
    this.#news.nodes.push(node);
    if (node.kind === "pod") this.#lonely.set(number, node);
    return number;
  }

  /** -1: there are too many. */
  #edge(source: number, destination: number, protocol: string, port: number): number {
    if (source < 0 || destination < 0) return -1;
    const pair = `${source} ${destination} ${protocol}`;
    const known = this.#edges.get(`${pair} ${port}`);
    if (known !== undefined) return known;
    const ports = this.#ports.get(pair) ?? 0;
    if (port !== 0 && ports >= most.portsOfPair)
      return this.#edge(source, destination, protocol, 0);
    if (this.#edges.size >= most.edges) return -1;
    this.#ports.set(pair, ports + 1);
    const number = this.#edges.size;
    this.#edges.set(`${pair} ${port}`, number);
    this.#news.edges.push({ source, destination, protocol, port });
    return number;
  }

  #service(node: number, service: string): void {
    const key = `${node} ${service}`;
    if (node < 0 || this.#services.has(key) || this.#services.size >= most.nodes) return;
    this.#services.add(key);
    this.#news.services.push([node, service]);
  }
}

const world: MapNode = {
  key: "reserved///world",
  kind: "reserved",
  namespace: "",
  name: "world",
  workloadKind: "",
};

function emptyNews(): { nodes: MapNode[]; edges: MapEdge[]; services: MapService[] } {
  return { nodes: [], edges: [], services: [] };
}
