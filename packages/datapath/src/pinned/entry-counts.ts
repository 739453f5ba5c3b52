// How many entries maps have. The kernel does not tell; they are counted by walking, which takes a large map's reader a
// tenth of a second. Whoever asks often gets the count of before, so that counting never takes much of a processor.
import type { BpfMap } from "@tsilium/ebpf";
import { countEntries } from "./migrate.ts";

/** How many times as long as counting took its result is good for: at most this part of the time goes into it. */
const restPerWork = 100;

type Counted = { readonly entries: number; readonly untilMs: number };

export class EntryCounts {
  readonly #now: () => number;
  readonly #counted = new WeakMap<BpfMap, Counted>();

  /** @param now milliseconds from a fixed point on */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** As of now, or of a while ago that is short for a map that is walked quickly. */
  of(map: BpfMap): number {
    const startedAt = this.#now();
    const before = this.#counted.get(map);
    if (before && startedAt < before.untilMs) return before.entries;
    const entries = countEntries(map);
    const endedAt = this.#now();
    this.#counted.set(map, { entries, untilMs: endedAt + restPerWork * (endedAt - startedAt) });
    return entries;
  }
}
