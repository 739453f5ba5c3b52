// The newest agent events, and who waits for more of them. They are few: no filters, no store.
import type { AgentEvent } from "../model.ts";
import type { Range } from "./query.ts";

const capacity = 1_023;

/** A client that follows: what it was not given yet. */
type Reader = { readonly queue: AgentEvent[]; wake: () => void };

export class AgentEventLog {
  #events: AgentEvent[] = [];
  readonly #readers = new Set<Reader>();

  add(event: AgentEvent): void {
    this.#events.push(event);
    if (this.#events.length > 2 * capacity) this.#events = this.#events.slice(-capacity);
    for (const { queue, wake } of this.#readers) {
      // A client that does not read loses the oldest.
      if (queue.length >= capacity) queue.shift();
      queue.push(event);
      wake();
    }
  }

  /** As readPast: `since` before everything, `first` from the oldest, else the newest; then new ones. @throws the signal's reason */
  async *read(range: Range, signal: AbortSignal): AsyncGenerator<AgentEvent> {
    signal.throwIfAborted();
    const past = choose(this.#events.slice(-capacity), range);
    if (!range.follow) return yield* past;
    const reader: Reader = { queue: [], wake: () => undefined };
    const wakeUp = () => reader.wake();
    this.#readers.add(reader);
    signal.addEventListener("abort", wakeUp);
    try {
      yield* past;
      for (;;) {
        signal.throwIfAborted();
        const event = reader.queue.shift();
        if (!event) await new Promise<void>((resolve) => (reader.wake = resolve));
        else if (isInside(event, range)) yield event;
        else if (range.untilNs !== undefined && event.timeNs > range.untilNs) return;
      }
    } finally {
      this.#readers.delete(reader);
      signal.removeEventListener("abort", wakeUp);
    }
  }
}

function choose(events: readonly AgentEvent[], range: Range): readonly AgentEvent[] {
  const { number, first, follow, sinceNs } = range;
  if (follow && number === 0 && sinceNs === undefined) return [];
  const inside = events.filter((event) => isInside(event, range));
  if (number === 0 || (follow && sinceNs !== undefined)) return inside;
  return first || sinceNs !== undefined ? inside.slice(0, number) : inside.slice(-number);
}

function isInside({ timeNs }: AgentEvent, { sinceNs, untilNs }: Range): boolean {
  return (
    (sinceNs === undefined || timeNs >= sinceNs) && (untilNs === undefined || timeNs <= untilNs)
  );
}
