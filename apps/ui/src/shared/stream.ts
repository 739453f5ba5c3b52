// What the server tells the page on its streams: one JSON document per line.
import type { MapBucket, MapEdge, MapNode, MapSame, MapService } from "./map-model.ts";
import type { Told, WireFlow } from "./seen-flow.ts";

/** Flows that happened and are not told. `source`: a number of flow.LostEventSource. */
export type Lost = {
  readonly node: string;
  readonly source: number;
  readonly count: number;
  readonly timeMs: number;
};

export type NodeStatus = {
  readonly state: number;
  readonly nodes: readonly string[];
  readonly message: string;
};

/** How it stands between server and relay; told when it changes. */
export type RelayLine = {
  readonly kind: "relay";
  readonly connected: boolean;
  /** Why not; "" while connected. */
  readonly error: string;
};

export type FlowsLine = {
  readonly kind: "flows";
  readonly told?: Told;
  /** Oldest first. */
  readonly flows?: readonly WireFlow[];
  readonly lost?: readonly Lost[];
  readonly nodes?: readonly NodeStatus[];
  /** Flows that this connection was too slow for, since the line before. */
  readonly skipped?: number;
};

export type MapLine = {
  readonly kind: "map";
  readonly bucketMs: number;
  readonly nodes?: readonly MapNode[];
  readonly edges?: readonly MapEdge[];
  readonly services?: readonly MapService[];
  readonly same?: readonly MapSame[];
  readonly buckets?: readonly MapBucket[];
  readonly lost?: readonly Lost[];
  readonly skipped?: number;
  /** Of the past: read up to here, UNIX milliseconds. */
  readonly readToMs?: number;
};

/** An object of the API server, or a row made of one. */
export type ObjectsLine = {
  readonly kind: "objects";
  readonly upsert?: readonly ObjectRow[];
  readonly remove?: readonly string[];
  /** Everything that was there has been told. */
  readonly synced?: true;
  /** The API server cannot be asked just now; "": it can again. */
  readonly error?: string;
};

export type ObjectRow = { readonly key: string } & Readonly<Record<string, unknown>>;

/** The last line: nothing more will come. `error`: why it was cut short. */
export type EndLine = { readonly kind: "end"; readonly error?: string };

/** Sent every few seconds, so that a silent connection is a dead one. */
export type BeatLine = { readonly kind: "beat"; readonly timeMs: number };

export type Line = RelayLine | FlowsLine | MapLine | ObjectsLine | EndLine | BeatLine;

export const beatMs = 5_000;
