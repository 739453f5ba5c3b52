// The recent past of one resource, from which watches are served. Readers hold a cursor into it, so a
// slow reader costs no memory: it finds out that its place is gone.

import type { Stored } from "./store.ts";

export type Change = {
  readonly revision: number;
  /** The object after the change; for a deletion its last state, at the deletion's revision. */
  readonly object: Stored;
  readonly deleted: boolean;
  /** The object before the change; undefined when it was created by it. */
  readonly previous: Stored | undefined;
};

export class ChangeWindow {
  readonly #capacity: number;
  #changes: Change[] = [];
  /** Cursor of `#changes[0]`. */
  #first = 0;
  /** Changes up to this revision may be missing. */
  #forgotten: number;

  constructor(options: { readonly capacity: number; readonly startRevision: number }) {
    this.#capacity = options.capacity;
    this.#forgotten = options.startRevision;
  }

  push(change: Change): void {
    this.#changes.push(change);
    // Cut in one go, half a window at a time: a shift per change would be quadratic.
    if (this.#changes.length > this.#capacity * 1.5) {
      const cut = this.#changes.length - this.#capacity;
      this.#forgotten = this.#changes[cut - 1]?.revision ?? this.#forgotten;
      this.#changes = this.#changes.slice(cut);
      this.#first += cut;
    }
  }

  /** The cursor after the newest change. */
  get end(): number {
    return this.#first + this.#changes.length;
  }

  /** Cursor of the first change after `revision`, or undefined if that is forgotten. */
  cursorAfter(revision: number): number | undefined {
    if (revision < this.#forgotten) return undefined;
    let low = 0;
    let high = this.#changes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#changes[middle] as Change).revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#first + low;
  }

  /** The change at a cursor: "forgotten" if it has been cut off, undefined if it has not happened yet. */
  at(cursor: number): Change | "forgotten" | undefined {
    return cursor < this.#first ? "forgotten" : this.#changes[cursor - this.#first];
  }
}
