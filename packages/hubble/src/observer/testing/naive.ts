// GetFlows on lists: everything that ever happened is kept, and each answer is worked out from the start.
import type { Flow, LostEvents } from "../../model.ts";
import { isProtected, type ObservedEvent } from "../events.ts";
import type { FlowsQuery } from "../query.ts";

export class NaiveObserver {
  readonly flows: Flow[] = [];
  readonly losses: { after: number; event: LostEvents }[] = [];
  /** Of the store; undefined: there is none. */
  stored: readonly Flow[] | undefined;
  readonly #capacity: number;
  readonly #protectedCapacity: number;

  constructor(capacity: number, protectedCapacity: number) {
    this.#capacity = capacity;
    this.#protectedCapacity = protectedCapacity;
  }

  lost(event: LostEvents): void {
    this.losses.push({ after: this.flows.at(-1)?.sequence ?? 0, event });
  }

  past(query: FlowsQuery): ObservedEvent[] {
    const { number, first, follow, sinceNs } = query;
    const wanted = this.#kept().filter((flow) => this.isWanted(query, flow));
    const losses = this.#mergedLosses().filter(
      ({ event }) =>
        event.lastNs >= (sinceNs ?? event.lastNs) &&
        event.firstNs <= (query.untilNs ?? event.firstNs),
    );
    if (follow && number === 0 && sinceNs === undefined) return [];
    const countsForward = sinceNs !== undefined || first;
    if (number === 0 || (follow && sinceNs !== undefined)) return interleave(wanted, losses);
    if (countsForward) {
      const chosen = wanted.slice(0, number);
      const end = chosen.length === number ? (chosen.at(-1)?.sequence ?? 0) : Infinity;
      return interleave(
        chosen,
        losses.filter(({ after }) => after < end),
      );
    }
    const chosen = wanted.slice(-number);
    const start = chosen.length === number ? (chosen[0]?.sequence ?? 0) : 0;
    return interleave(
      chosen,
      losses.filter(({ after }) => after >= start),
    );
  }

  isWanted({ matcher, sinceNs, untilNs }: FlowsQuery, flow: Flow): boolean {
    const { timeNs } = flow;
    return timeNs >= (sinceNs ?? timeNs) && timeNs <= (untilNs ?? timeNs) && matcher.matches(flow);
  }

  #kept(): Flow[] {
    const recent = this.flows.slice(-this.#capacity);
    const kept = this.flows.filter(isProtected).slice(-this.#protectedCapacity);
    const all = [...recent, ...kept, ...(this.stored ?? [])];
    const bySequence = new Map(all.map((flow) => [flow.sequence, flow]));
    return [...bySequence.values()].sort((a, b) => a.sequence - b.sequence);
  }

  #mergedLosses() {
    const merged: { after: number; event: LostEvents }[] = [];
    for (const { after, event } of this.losses) {
      const last = merged.at(-1);
      const joins =
        last?.after === after && last.event.source === event.source && last.event.cpu === event.cpu;
      if (!last || !joins) merged.push({ after, event });
      else {
        const { firstNs, count } = last.event;
        last.event = { ...event, count: count + event.count, firstNs };
      }
    }
    return merged;
  }
}

function interleave(
  flows: readonly Flow[],
  losses: readonly { after: number; event: LostEvents }[],
): ObservedEvent[] {
  const events = [
    ...flows.map((flow) => ({ at: flow.sequence, event: flow as ObservedEvent })),
    ...losses.map(({ after, event }) => ({ at: after + 0.5, event: event as ObservedEvent })),
  ];
  return events.sort((a, b) => a.at - b.at).map(({ event }) => event);
}
