// Ids of queries on their way to servers.
import { randomFillSync } from "node:crypto";

/** Unpredictable ids, each not in use. */
export class RandomIds {
  readonly #pool = new Uint16Array(1_024);
  #at = this.#pool.length;

  /** `used` is far from holding all 65,536. */
  next(used: ReadonlyMap<number, unknown>): number {
    for (;;) {
      if (this.#at === this.#pool.length) {
        randomFillSync(this.#pool);
        this.#at = 0;
      }
      const id = this.#pool[this.#at++] as number;
      if (!used.has(id)) return id;
    }
  }
}
