// The past of a query as its client gets it: the right flows, oldest first, with the losses at their places.
import type { Flow } from "../model.ts";
import type { ObservedEvent } from "./events.ts";
import { newestFirst, oldestFirst, type Past, type PastQuery } from "./past.ts";
import type { FlowsQuery } from "./query.ts";

/** Up to so many flows "the newest N" holds in memory; for more it looks at the past twice. */
const heldFlows = 10_000;

/**
 * As in Cilium: `since` comes before everything, and from there on `number` counts forward (and does not count if the
 * client follows); without it `first` counts from the oldest, and `number` alone is the newest. A client that follows
 * and asks for no number gets nothing of the past. @throws the signal's reason
 */
export async function* readPast(
  past: Past,
  query: FlowsQuery,
  signal: AbortSignal,
): AsyncGenerator<readonly ObservedEvent[]> {
  const { number, first, follow, sinceNs } = query;
  if (sinceNs !== undefined) {
    const flows = atMost(oldestFirst(past, query, signal), follow ? 0 : number);
    yield* withLosses(flows, past, query);
  } else if (first) {
    yield* withLosses(atMost(oldestFirst(past, query, signal), number), past, query);
  } else if (number > 0) {
    yield* readNewest(past, query, signal);
  } else if (!follow) {
    yield* withLosses(atMost(oldestFirst(past, query, signal), 0), past, query);
  }
}

async function* readNewest(
  past: Past,
  query: FlowsQuery,
  signal: AbortSignal,
): AsyncGenerator<readonly ObservedEvent[]> {
  if (query.number <= heldFlows) {
    const held: Flow[] = [];
    for await (const { flows } of atMost(newestFirst(past, query, signal), query.number))
      held.push(...flows);
    const startsAt = held.length === query.number ? held.at(-1)?.sequence : undefined;
    yield* withLosses([{ flows: held.reverse(), isLast: false }], past, { ...query, startsAt });
    return;
  }
  const { startsAt, sinceNs } = await findNewest(past, query, signal);
  const flows = oldestFirst(past, { ...query, sinceNs }, signal);
  yield* withLosses(from(flows, startsAt ?? 0), past, { ...query, startsAt });
}

/** Where the newest N begin, without holding them; `startsAt` undefined: there are no more than N. */
async function findNewest(
  past: Past,
  query: FlowsQuery,
  signal: AbortSignal,
): Promise<{ startsAt: number | undefined; sinceNs: bigint | undefined }> {
  // More than there can be: every flow, and no need to look twice.
  if (query.number === Number.MAX_SAFE_INTEGER) return { startsAt: undefined, sinceNs: undefined };
  let count = 0;
  let sinceNs: bigint | undefined;
  let startsAt = 0;
  for await (const { flows } of atMost(newestFirst(past, query, signal), query.number)) {
    count += flows.length;
    for (const { timeNs } of flows) if (sinceNs === undefined || timeNs < sinceNs) sinceNs = timeNs;
    startsAt = flows.at(-1)?.sequence ?? startsAt;
  }
  return count < query.number ? { startsAt: undefined, sinceNs } : { startsAt, sinceNs };
}

type Piece = {
  readonly flows: readonly Flow[];
  /** The number is reached: what comes after these flows is not told. */
  readonly isLast: boolean;
};

/** The first `number` of them, 0: all. */
async function* atMost(
  batches: AsyncIterable<readonly Flow[]>,
  number: number,
): AsyncGenerator<Piece> {
  let left = number === 0 ? Number.POSITIVE_INFINITY : number;
  for await (const flows of batches) {
    left -= flows.length;
    if (left > 0) yield { flows, isLast: false };
    else return yield { flows: left < 0 ? flows.slice(0, left) : flows, isLast: true };
  }
}

async function* from(
  batches: AsyncIterable<readonly Flow[]>,
  startsAt: number,
): AsyncGenerator<Piece> {
  for await (const flows of batches)
    yield { flows: flows.filter(({ sequence }) => sequence >= startsAt), isLast: false };
}

type LossesQuery = PastQuery & { readonly startsAt?: number | undefined };

/**
 * Losses are told whatever the filter, since nobody knows what was lost; those before the first flow that was asked for
 * are not (`startsAt`), nor those outside of the times.
 */
async function* withLosses(
  pieces: Iterable<Piece> | AsyncIterable<Piece>,
  { losses }: Past,
  { startsAt = 0, sinceNs, untilNs }: LossesQuery,
): AsyncGenerator<readonly ObservedEvent[]> {
  const wanted = losses.filter(
    ({ after, event }) =>
      after >= startsAt &&
      (sinceNs === undefined || event.lastNs >= sinceNs) &&
      (untilNs === undefined || event.firstNs <= untilNs),
  );
  let at = 0;
  for await (const { flows, isLast } of pieces) {
    const events: ObservedEvent[] = [];
    for (const flow of flows) {
      for (; at < wanted.length && (wanted[at]?.after ?? 0) < flow.sequence; at++)
        events.push((wanted[at] as (typeof wanted)[number]).event);
      events.push(flow);
    }
    if (events.length > 0) yield events;
    if (isLast) return;
  }
  if (at < wanted.length) yield wanted.slice(at).map(({ event }) => event);
}
