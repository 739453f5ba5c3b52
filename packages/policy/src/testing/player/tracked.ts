// What somebody was told last, so that next time they are told only what is different.

export type Telling<K, V> = { set(key: K, value: V): void; delete(key: K): void };

export class Tracked<K, V> {
  readonly #telling: Telling<K, V>;
  #last: ReadonlyMap<K, V> = new Map();

  constructor(telling: Telling<K, V>) {
    this.#telling = telling;
  }

  /** Values are the same when they print the same. */
  become(next: ReadonlyMap<K, V>): void {
    for (const key of this.#last.keys()) if (!next.has(key)) this.#telling.delete(key);
    for (const [key, value] of next)
      if (print(this.#last.get(key)) !== print(value)) this.#telling.set(key, value);
    this.#last = next;
  }
}

function print(value: unknown): string | undefined {
  return JSON.stringify(value);
}
