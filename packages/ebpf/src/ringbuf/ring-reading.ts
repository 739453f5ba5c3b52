// One pass over a ring buffer's records, where they lie.

/** The pages that records lie in, twice. To be touched only before the ring is closed: afterwards that is a crash. */
export type RingMemory = { readonly bytes: Uint8Array; readonly view: DataView };

/** The shared pages of a ring, and its size in bytes, a power of two. */
export type RingPages = {
  readonly size: number;
  readonly consumer: BigInt64Array;
  readonly producer: BigInt64Array;
  /** The first words of records, by place / 4. */
  readonly headers: Int32Array;
  readonly memory: RingMemory;
};

/** Of each record: length and flags, and a word for the kernel. */
const headerSize = 8;
const busyBit = 0x8000_0000;
const discardBit = 0x4000_0000;

/** What it stepped over counts as handled once it is released or disposed of; the rest is read again. */
export class RingReading implements Disposable {
  readonly memory: RingMemory;
  /** Of the record that `peek` found, bytes. */
  at = 0;
  length = 0;
  readonly #pages: RingPages;
  readonly #onEnd: () => void;
  #start: bigint;
  /** Bytes behind the start: stepped over, up to the end of the record that `peek` found, and written by programs. */
  #position = 0;
  #end = 0;
  #available = 0;

  constructor(pages: RingPages, onEnd: () => void) {
    this.#pages = pages;
    this.#onEnd = onEnd;
    this.memory = pages.memory;
    this.#start = Atomics.load(pages.consumer, 0);
  }

  /**
   * Finds the next record; false when there is none, or a program still writes it (then those behind it wait too).
   * Discarded ones are passed over.
   */
  peek(): boolean {
    const { size, headers } = this.#pages;
    const first = Number(this.#start & BigInt(size - 1));
    while (this.#position < this.#available || this.#hasMore()) {
      const at = (first + this.#position) & (size - 1);
      // Pairs with the program's submit: whoever sees the busy bit gone sees the whole record.
      const header = Atomics.load(headers, at >> 2) >>> 0;
      if ((header & busyBit) !== 0) return false;
      const length = (header & ~(busyBit | discardBit)) >>> 0;
      this.#end = this.#position + ((headerSize + length + 7) & ~7);
      if ((header & discardBit) === 0) {
        this.at = at + headerSize;
        this.length = length;
        return true;
      }
      this.step();
    }
    return false;
  }

  /** Steps over the record that `peek` found. */
  step(): void {
    this.#position = this.#end;
  }

  /**
   * Lets programs write over what was stepped over. The position of another reader, if there is one after all, is not
   * undone: it would make the ring seem full for ever.
   */
  release(): void {
    if (this.#position === 0) return;
    const end = this.#start + BigInt(this.#position);
    // Only after the last read of a record that is let go of.
    Atomics.compareExchange(this.#pages.consumer, 0, this.#start, end);
    this.#start = end;
    this.#available -= this.#position;
    this.#position = 0;
    this.#end = 0;
  }

  [Symbol.dispose](): void {
    this.release();
    this.#onEnd();
  }

  /** Looks how far programs have come since. */
  #hasMore(): boolean {
    this.#available = Number(Atomics.load(this.#pages.producer, 0) - this.#start);
    return this.#position < this.#available;
  }
}
