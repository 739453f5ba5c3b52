// Numbers of rows in the kernel, handed out in turn: one that was given back is not used again before all others were, since
// flows remember backends, and sockets frontends, longer than these are there.
export type IdRange = {
  /** Inclusive; the first is 1. */
  readonly last: number;
};

export class Ids {
  #last: number;
  readonly #used = new Set<number>();
  #next = 1;

  constructor({ last }: IdRange) {
    this.#last = last;
  }

  get used(): number {
    return this.#used.size;
  }

  /** There are more of them from now on; never fewer. */
  raise(last: number): void {
    this.#last = Math.max(this.#last, last);
  }

  /** Marks a number as used; others are handed out after the highest of such. False: it is used already, or none of ours. */
  take(id: number): boolean {
    if (this.#used.has(id) || !(id >= 1 && id <= this.#last)) return false;
    this.#used.add(id);
    if (id >= this.#next) this.#next = id === this.#last ? 1 : id + 1;
    return true;
  }

  /** undefined: all are used. */
  allocate(): number | undefined {
    if (this.#used.size >= this.#last) return undefined;
    while (this.#used.has(this.#next)) this.#advance();
    const id = this.#next;
    this.#used.add(id);
    this.#advance();
    return id;
  }

  /** Once the kernel does not have it any more. */
  free(id: number): void {
    this.#used.delete(id);
  }

  #advance(): void {
    this.#next = this.#next === this.#last ? 1 : this.#next + 1;
  }
}
