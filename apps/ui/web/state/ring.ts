// A list with two ends and a bound: what is added at one end beyond the bound falls off the other.

export class Ring<T> {
  readonly capacity: number;
  readonly #items: (T | undefined)[];
  #first = 0;
  #length = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#items = Array.from({ length: capacity });
  }

  get length(): number {
    return this.#length;
  }

  /** 0 is the newest. */
  at(index: number): T | undefined {
    if (index < 0 || index >= this.#length) return undefined;
    return this.#items[(this.#first + this.#length - 1 - index) % this.capacity];
  }

  /** The oldest falls off when there is no room. */
  addNewest(item: T): void {
    if (this.#length === this.capacity) {
      this.#items[this.#first] = item;
      this.#first = (this.#first + 1) % this.capacity;
      return;
    }
    this.#items[(this.#first + this.#length) % this.capacity] = item;
    this.#length++;
  }

  /** False: there is no room. */
  addOldest(item: T): boolean {
    if (this.#length === this.capacity) return false;
    this.#first = (this.#first + this.capacity - 1) % this.capacity;
    this.#items[this.#first] = item;
    this.#length++;
    return true;
  }

  clear(): void {
    this.#items.fill(undefined);
    this.#first = 0;
    this.#length = 0;
  }
}
