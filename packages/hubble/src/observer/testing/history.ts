// A store in an array: what FlowHistory promises and nothing more. It forgets old flows, protected ones later.
import type { Flow, FlowHistory, HistoryQuery } from "../../model.ts";

export class ArrayHistory implements FlowHistory {
  /** By sequence. */
  flows: Flow[] = [];
  /** How many batches were read, by both orders. */
  batchesRead = 0;
  readonly #batchSize: number;

  constructor(batchSize = 7) {
    this.#batchSize = batchSize;
  }

  append(flows: readonly Flow[]): void {
    this.flows.push(...flows);
  }

  forget(isForgotten: (flow: Flow) => boolean): void {
    this.flows = this.flows.filter((flow) => !isForgotten(flow));
  }

  get lastSequence(): number {
    return this.flows.at(-1)?.sequence ?? 0;
  }

  newestFirst(query: HistoryQuery, signal: AbortSignal): AsyncIterable<readonly Flow[]> {
    return this.#read(this.flows.toReversed(), query, signal);
  }

  oldestFirst(query: HistoryQuery, signal: AbortSignal): AsyncIterable<readonly Flow[]> {
    return this.#read([...this.flows], query, signal);
  }

  async *#read(
    flows: readonly Flow[],
    { matcher, belowSequence, sinceNs, untilNs }: HistoryQuery,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Flow[]> {
    for (let at = 0; at < flows.length; at += this.#batchSize) {
      await Promise.resolve();
      signal.throwIfAborted();
      this.batchesRead++;
      // A copy: what comes from a store are other objects than those in memory.
      const batch = flows
        .slice(at, at + this.#batchSize)
        .filter((flow) => flow.sequence < belowSequence && matcher.matches(flow))
        .filter(({ timeNs }) => timeNs >= (sinceNs ?? timeNs) && timeNs <= (untilNs ?? timeNs))
        .map((flow) => ({ ...flow }));
      if (batch.length > 0) yield batch;
    }
  }
}
