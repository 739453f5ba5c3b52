// Flows that were there when somebody asked: the ring's, before them the protected ones that the ring lost, before and
// between those the store's. All by sequence, each once; filtered in slices of time, since a ring of 65535 flows and a
// dear filter would hold up the thread.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Flow, FlowHistory, HistoryQuery } from "../model.ts";
import type { PlacedLoss } from "./losses.ts";
import type { FlowsQuery } from "./query.ts";

export type Past = {
  /** By sequence. */
  readonly recent: readonly Flow[];
  /** By sequence, all of them before the first of `recent`. */
  readonly protected: readonly Flow[];
  readonly losses: readonly PlacedLoss[];
  readonly history: FlowHistory | undefined;
  /** Of the store, only flows before this one: it goes on to grow while it is read. */
  readonly belowSequence: number;
};

export type PastQuery = Pick<FlowsQuery, "matcher" | "sinceNs" | "untilNs">;

/** How long a filter may keep the thread before others get a turn. */
const sliceMs = 2;
const flowsBetweenClocks = 16;
/** Batches that are handed on. */
const batchSize = 256;

/** Flows that match, newest first. @throws the signal's reason */
export async function* newestFirst(
  past: Past,
  query: PastQuery,
  signal: AbortSignal,
): AsyncGenerator<readonly Flow[]> {
  yield* sift(past.recent.toReversed(), query, signal);
  const older = past.history?.newestFirst(historyQuery(past, query), signal);
  yield* merge(older, past.protected.toReversed(), { query, signal, isBefore: (a, b) => a > b });
}

/** Flows that match, oldest first. @throws the signal's reason */
export async function* oldestFirst(
  past: Past,
  query: PastQuery,
  signal: AbortSignal,
): AsyncGenerator<readonly Flow[]> {
  const older = past.history?.oldestFirst(historyQuery(past, query), signal);
  yield* merge(older, past.protected, { query, signal, isBefore: (a, b) => a < b });
  yield* sift(past.recent, query, signal);
}

function historyQuery(
  { belowSequence }: Past,
  { matcher, sinceNs, untilNs }: PastQuery,
): HistoryQuery {
  return { matcher, belowSequence, sinceNs, untilNs };
}

export function isWanted({ matcher, sinceNs, untilNs }: PastQuery, flow: Flow): boolean {
  return (
    (sinceNs === undefined || flow.timeNs >= sinceNs) &&
    (untilNs === undefined || flow.timeNs <= untilNs) &&
    matcher.matches(flow)
  );
}

async function* sift(
  flows: readonly Flow[],
  query: PastQuery,
  signal: AbortSignal,
): AsyncGenerator<readonly Flow[]> {
  let end = performance.now() + sliceMs;
  let batch: Flow[] = [];
  for (const [index, flow] of flows.entries()) {
    if (isWanted(query, flow)) batch.push(flow);
    if (batch.length >= batchSize) {
      yield batch;
      batch = [];
    }
    if (index % flowsBetweenClocks !== 0 || performance.now() <= end) continue;
    await nextTurn();
    signal.throwIfAborted();
    end = performance.now() + sliceMs;
  }
  if (batch.length > 0) yield batch;
}

type MergeOptions = {
  readonly query: PastQuery;
  readonly signal: AbortSignal;
  readonly isBefore: (a: number, b: number) => boolean;
};

/** Both by sequence, the store's filtered already; of a flow that both have, one. */
async function* merge(
  stored: AsyncIterable<readonly Flow[]> | undefined,
  kept: readonly Flow[],
  { query, signal, isBefore }: MergeOptions,
): AsyncGenerator<readonly Flow[]> {
  if (!stored) return yield* sift(kept, query, signal);
  const wanted = kept.filter((flow) => isWanted(query, flow));
  let at = 0;
  for await (const batch of stored) {
    const merged: Flow[] = [];
    for (const flow of batch) {
      for (; at < wanted.length; at++) {
        const other = wanted[at] as Flow;
        if (!isBefore(other.sequence, flow.sequence)) break;
        merged.push(other);
      }
      merged.push(flow);
      if (wanted[at]?.sequence === flow.sequence) at++;
    }
    if (merged.length > 0) yield merged;
  }
  if (at < wanted.length) yield wanted.slice(at);
}
