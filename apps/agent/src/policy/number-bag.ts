// Many numbers in little memory: a slot may have a class entry for every identity of the cluster, and there are
// hundreds of slots.

export class NumberBag {
  #numbers = new Uint32Array(0);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds a number; the caller sees to it that it is not there yet. */
  add(number: number): void {
    if (this.#size === this.#numbers.length) {
      const grown = new Uint32Array(Math.max(8, this.#size * 2));
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    this.#numbers[this.#size++] = number;
  }

  has(number: number): boolean {
    return this.#indexOf(number) >= 0;
  }

  /** False when it was not there. The order of the rest is not kept. */
  delete(number: number): boolean {
    const index = this.#indexOf(number);
    if (index < 0) return false;
    this.#numbers[index] = this.#numbers[--this.#size] as number;
    return true;
  }

  [Symbol.iterator](): Iterator<number> {
    return this.#numbers.subarray(0, this.#size)[Symbol.iterator]();
  }

  #indexOf(number: number): number {
    const index = this.#numbers.indexOf(number);
    return index < this.#size ? index : -1;
  }
}
