// The flows of one stream that match, in order: blocks that cannot have any are passed over, the others read one ahead.
// Between blocks, and every few milliseconds within one, others get their turn.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Flow, HistoryQuery } from "../model.ts";
import { AskedSummary, type Block } from "./block.ts";
import { HistoryError } from "./errors.ts";
import { flowAt, RowView } from "./row.ts";
import type { StoredBlock } from "./stored-block.ts";

export type Order = "newest" | "oldest";

/** A stream at one moment, oldest first: blocks, then flows that are in none yet. */
export type Snapshot = {
  readonly blocks: readonly Block[];
  readonly pending: readonly Flow[];
};

export type ScanOptions = {
  readonly query: HistoryQuery;
  readonly order: Order;
  readonly signal: AbortSignal;
  /** Told once for each block. */
  readonly onCorrupt: (block: Block) => void;
};

/** Matching flows, and how far the scan is: every one up to and including `frontier` has been told. */
export type Found = { readonly flows: readonly Flow[]; readonly frontier: number };

const mostAtOnce = 256;
const sliceMs = 4;
const rowsPerLook = 64;

/** @throws AbortError */
export async function* scan(snapshot: Snapshot, options: ScanOptions): AsyncGenerator<Found> {
  const { order } = options;
  if (order === "newest") yield* scanPending(snapshot.pending.toReversed(), options);
  yield* scanBlocks(order === "newest" ? snapshot.blocks.toReversed() : snapshot.blocks, options);
  if (order === "oldest") yield* scanPending(snapshot.pending, options);
}

function* scanPending(pending: readonly Flow[], { query, signal }: ScanOptions): Generator<Found> {
  for (let at = 0; at < pending.length; at += mostAtOnce) {
    signal.throwIfAborted();
    const some = pending.slice(at, at + mostAtOnce);
    const flows = some.filter((flow) => isAsked(flow, query) && query.matcher.matches(flow));
    yield { flows, frontier: (some.at(-1) as Flow).sequence };
  }
}

async function* scanBlocks(blocks: readonly Block[], options: ScanOptions): AsyncGenerator<Found> {
  const loads = loadCandidates(blocks, options);
  let ahead = loads.next();
  for (;;) {
    const { value, done } = await ahead;
    if (done) return;
    // Settles while the rows of this one are looked at. Nobody waits for it if the reader leaves: it cannot reject then.
    ahead = loads.next();
    ahead.catch(() => {});
    yield* scanRows(value, options);
  }
}

type Loaded = { readonly block: Block; readonly stored: StoredBlock };

async function* loadCandidates(
  blocks: readonly Block[],
  options: ScanOptions,
): AsyncGenerator<Loaded> {
  let turnEnds = performance.now() + sliceMs;
  for (const block of blocks) {
    options.signal.throwIfAborted();
    if (performance.now() > turnEnds) {
      await nextTurn();
      turnEnds = performance.now() + sliceMs;
    }
    try {
      if (!(await mayHave(block, options))) continue;
      yield { block, stored: await block.load() };
    } catch (error) {
      give(error, block, options);
    }
  }
}

/** Counts a damaged block; of one that was removed meanwhile nothing need be said. @throws what is no fault of a block */
function give(error: unknown, block: Block, { onCorrupt }: ScanOptions): void {
  if (!(error instanceof HistoryError)) throw error;
  if (block.isRemoved || block.isCorrupt) return;
  block.markCorrupt();
  onCorrupt(block);
}

/** Whether to read it. Reads its endpoints only if the matcher wants to see them. */
async function mayHave(block: Block, { query }: ScanOptions): Promise<boolean> {
  const { header } = block;
  const { belowSequence, sinceNs, untilNs, matcher } = query;
  if (block.isCorrupt || block.isRemoved || header.firstSequence >= belowSequence) return false;
  if (sinceNs !== undefined && header.lastNs < sinceNs) return false;
  if (untilNs !== undefined && header.firstNs > untilNs) return false;
  if (header.eventTypes === undefined) return true;
  const summary = new AskedSummary(header, block.knownEndpoints);
  const answer = matcher.mayMatch(summary);
  if (!summary.lacked) return answer;
  const endpoints = await block.endpoints();
  return matcher.mayMatch(new AskedSummary(header, endpoints));
}

async function* scanRows({ block, stored }: Loaded, options: ScanOptions): AsyncGenerator<Found> {
  const { order, query, signal } = options;
  const { belowSequence, sinceNs, untilNs, matcher } = query;
  const { header } = block;
  const isTimed =
    (sinceNs !== undefined && header.firstNs < sinceNs) ||
    (untilNs !== undefined && header.lastNs > untilNs);
  const view = new RowView(stored);
  let flows: Flow[] = [];
  let turnEnds = performance.now() + sliceMs;
  try {
    const count = header.lastSequence < belowSequence ? stored.count : stored.rowOf(belowSequence);
    const step = order === "newest" ? -1 : 1;
    let row = order === "newest" ? count - 1 : 0;
    for (let looked = 1; looked <= count; looked++, row += step) {
      view.moveTo(row);
      if ((!isTimed || isInTime(view.timeNs, query)) && matcher.matches(view))
        flows.push(flowAt(stored, row));
      if (flows.length >= mostAtOnce) {
        yield { flows, frontier: stored.sequence(row) };
        signal.throwIfAborted();
        flows = [];
      }
      if (looked % rowsPerLook === 0 && performance.now() > turnEnds) {
        await nextTurn();
        signal.throwIfAborted();
        turnEnds = performance.now() + sliceMs;
      }
    }
  } catch (error) {
    give(error, block, options);
  }
  yield { flows, frontier: order === "newest" ? header.firstSequence : header.lastSequence };
}

function isAsked(flow: Flow, query: HistoryQuery): boolean {
  return flow.sequence < query.belowSequence && isInTime(flow.timeNs, query);
}

function isInTime(timeNs: bigint, { sinceNs, untilNs }: HistoryQuery): boolean {
  return (
    (sinceNs === undefined || timeNs >= sinceNs) && (untilNs === undefined || timeNs <= untilNs)
  );
}
