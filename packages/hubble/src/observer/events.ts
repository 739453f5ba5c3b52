// What a reader of flows gets: flows in the order of their arrival, and between them what was lost.
import { type Flow, type LostEvents, Verdict } from "../model.ts";

export type ObservedEvent = Flow | LostEvents;

export function isLost(event: ObservedEvent): event is LostEvents {
  return "count" in event;
}

/**
 * Flows that must outlive a flood of others: what was dropped, failed, or would have been dropped (audit). They have
 * places of their own, in memory and in every client's queue.
 */
export function isProtected({ verdict }: Flow): boolean {
  return verdict === Verdict.dropped || verdict === Verdict.error || verdict === Verdict.audit;
}

/** The two as one event: the counts added, the times joined, the CPU kept if it is the same. */
export function joinLost(a: LostEvents, b: LostEvents): LostEvents {
  return {
    source: a.source,
    count: a.count + b.count,
    cpu: a.cpu === b.cpu ? a.cpu : undefined,
    firstNs: a.firstNs < b.firstNs ? a.firstNs : b.firstNs,
    lastNs: a.lastNs > b.lastNs ? a.lastNs : b.lastNs,
  };
}
