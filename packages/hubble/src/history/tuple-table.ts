// Tuples of 32-bit numbers, each kept once: the combinations that flows have again and again get a short number.

export class TupleTable {
  readonly width: number;
  /** The tuple to intern next: fill it, then call `intern`. */
  readonly next: Int32Array;
  /** Tuples one after the other. */
  #rows: Int32Array;
  /** Open addressing: number + 1 of a tuple, 0 is free. A power of two, at most half full. */
  #slots: Uint32Array;
  #count = 0;

  constructor(width: number) {
    this.width = width;
    this.next = new Int32Array(width);
    this.#rows = new Int32Array(width * 1024);
    this.#slots = new Uint32Array(4096);
  }

  get count(): number {
    return this.#count;
  }

  /** The number of the tuple in `next`, counted from 0 in order of first sight. */
  intern(): number {
    const { width, next } = this;
    const rows = this.#rows;
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let at = hash(next) & mask; ; at = (at + 1) & mask) {
      const found = (slots[at] as number) - 1;
      if (found < 0) return this.#add(at);
      const start = found * width;
      let field = 0;
      while (field < width && rows[start + field] === next[field]) field++;
      if (field === width) return found;
    }
  }

  /** One field of every tuple, as unsigned numbers. */
  column(field: number): Uint32Array {
    const values = new Uint32Array(this.#count);
    for (let at = 0; at < values.length; at++)
      values[at] = this.#rows[at * this.width + field] as number;
    return values;
  }

  clear(): void {
    this.#count = 0;
    this.#slots.fill(0);
  }

  #add(slot: number): number {
    const number = this.#count++;
    const end = (number + 1) * this.width;
    if (end > this.#rows.length) {
      const grown = new Int32Array(this.#rows.length * 2);
      grown.set(this.#rows);
      this.#rows = grown;
    }
    this.#rows.set(this.next, number * this.width);
    this.#slots[slot] = number + 1;
    if (this.#count * 2 > this.#slots.length) this.#rehash();
    return number;
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let number = 0; number < this.#count; number++) {
      const start = number * this.width;
      let at = hash(this.#rows.subarray(start, start + this.width)) & mask;
      while (slots[at] !== 0) at = (at + 1) & mask;
      slots[at] = number + 1;
    }
    this.#slots = slots;
  }
}

/** Multiply and mix (the constants are MurmurHash3's). */
function hash(tuple: Int32Array): number {
  let mixed = 0x9747b28c;
  for (let field = 0; field < tuple.length; field++) {
    mixed = Math.imul(mixed ^ (tuple[field] as number), 0xcc9e2d51);
    mixed ^= mixed >>> 15;
  }
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x85ebca6b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
