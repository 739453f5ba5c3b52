// What the Hubble worker and the main thread say to each other, and how the worker is doing. Everything survives
// structured cloning.
import type { L7Record } from "@tsilium/hubble/decode/index.ts";
import type { FeedItem } from "./feed/model.ts";
import type { HubbleSettings } from "./settings.ts";

/** What the main thread tells the worker. */
export type ToWorker =
  | { readonly kind: "feed"; readonly items: readonly FeedItem[] }
  /** Whether records of the kernel are to be handed on. */
  | { readonly kind: "monitor"; readonly on: boolean }
  /** What a proxy saw. */
  | { readonly kind: "l7"; readonly records: readonly L7Record[] }
  | { readonly kind: "stop" };

/** What the worker answers. */
export type FromWorker =
  | { readonly kind: "status"; readonly status: HubbleStatus }
  /** As they lay in the rings, one behind the other; `lengths` of each in bytes. Only while somebody wants them. */
  | { readonly kind: "records"; readonly bytes: Uint8Array; readonly lengths: readonly number[] }
  /** Flows wait for the names of these rules. */
  | { readonly kind: "rules"; readonly numbers: readonly number[] };

/** How the worker was started. */
export type WorkerSetup = {
  readonly bpffs: string;
  readonly settings: HubbleSettings;
  readonly version: string;
};

/** Sent every second. Counts are of this worker's life but for the kernel's. */
export type HubbleStatus = {
  /** Everything that is known of the node has been told. */
  readonly synced: boolean;
  readonly flows: number;
  readonly flowsPerSecond: number;
  /** In memory. */
  readonly held: number;
  readonly capacity: number;
  /** Events that the kernel could not tell, since its maps were made. */
  readonly lostInKernel: number;
  readonly toldByKernel: number;
  /** Records that could not be read, or told of nothing. */
  readonly undecoded: number;
  /** Flows that were told without the name of the rule that decided. */
  readonly unnamedRules: number;
  /** Bytes that wait in the rings. */
  readonly pendingBytes: number;
  /** undefined: none is kept. */
  readonly history: HistoryStatus | undefined;
  /** Where it listens. */
  readonly listening: readonly string[];
  readonly clients: number;
  /** Names of metrics; empty: none are made. */
  readonly metrics: readonly string[];
  /** What is wrong, a sentence each. */
  readonly problems: readonly string[];
};

export type HistoryStatus = {
  readonly flows: number;
  readonly bytes: number;
  /** Milliseconds since 1970; undefined: there is none yet. */
  readonly oldestMs: number | undefined;
  /** Parts of files that could not be read and were passed over. */
  readonly corrupt: number;
  /** Flows that could not be kept. */
  readonly lost: number;
};
