// Losses, each at its place between the flows. They have a log of their own: in the ring they would push out flows, the
// more of them the worse it gets.
import type { LostEvents } from "../model.ts";
import { joinLost } from "./events.ts";

export type PlacedLoss = {
  /** The sequence of the flow that came before it, 0: none did. */
  readonly after: number;
  readonly event: LostEvents;
};

/** Enough for ten seconds of losses on every tick of every CPU of a small node; older ones are in the totals alone. */
const capacity = 1_023;

export class LossLog {
  #losses: PlacedLoss[] = [];
  readonly #totals = new Map<number, number>();

  add(event: LostEvents, after: number): void {
    this.#totals.set(event.source, (this.#totals.get(event.source) ?? 0) + event.count);
    const last = this.#losses.at(-1);
    if (last && last.after === after && isSameKind(last.event, event)) {
      this.#losses[this.#losses.length - 1] = { after, event: joinLost(last.event, event) };
      return;
    }
    this.#losses.push({ after, event });
    // In halves, so that adding stays cheap.
    if (this.#losses.length > 2 * capacity) this.#losses = this.#losses.slice(-capacity);
  }

  /** The newest of them, oldest first: a copy. */
  toArray(): readonly PlacedLoss[] {
    return this.#losses.slice(-capacity);
  }

  /** Events lost since the start, by source (LostEventSource). */
  get totals(): ReadonlyMap<number, number> {
    return this.#totals;
  }
}

function isSameKind(a: LostEvents, b: LostEvents): boolean {
  return a.source === b.source && a.cpu === b.cpu;
}
