// All committed objects of one resource, in the order lists are given out: by namespace, then name.
import type { Stored } from "./store.ts";
import { ChangeWindow } from "./window.ts";

export class Collection {
  readonly window: ChangeWindow;
  readonly #objects = new Map<string, Stored>();
  #sorted: string[] = [];
  #dirty = false;
  #removed = 0;

  constructor(options: { readonly capacity: number; readonly startRevision: number }) {
    this.window = new ChangeWindow(options);
  }

  get(key: string): Stored | undefined {
    return this.#objects.get(key);
  }

  put(key: string, object: Stored): void {
    if (!this.#objects.has(key)) {
      this.#sorted.push(key);
      this.#dirty = true;
    }
    this.#objects.set(key, object);
  }

  delete(key: string): void {
    if (this.#objects.delete(key)) this.#removed += 1;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** All objects as they were at a revision; undefined when so much of the past is not remembered. */
  listAt(revision: number): Stored[] | undefined {
    const from = this.window.cursorAfter(revision);
    if (from === undefined) return undefined;
    const then = new Map(this.#objects);
    for (let cursor = this.window.end - 1; cursor >= from; cursor--) {
      const change = this.window.at(cursor);
      if (change === undefined || change === "forgotten") return undefined;
      const key = `${change.object.namespace}/${change.object.name}`;
      if (change.previous) then.set(key, change.previous);
      else then.delete(key);
    }
    return [...then.keys()].sort().map((key) => then.get(key) as Stored);
  }

  /** Snapshot in order; the objects in it never change. */
  list(): Stored[] {
    if (this.#dirty || this.#removed > 0) {
      const keys = this.#removed > 0 ? [...this.#objects.keys()] : this.#sorted;
      this.#sorted = keys.sort();
      this.#dirty = false;
      this.#removed = 0;
    }
    return this.#sorted.map((key) => this.#objects.get(key) as Stored);
  }
}
