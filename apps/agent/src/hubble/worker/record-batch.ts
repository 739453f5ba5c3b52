// Records of the kernel on their way to another thread: copies, one behind the other in one piece of memory.

const firstBytes = 16_384;

export class RecordBatch {
  readonly lengths: number[] = [];
  #memory = new Uint8Array(firstBytes);
  #end = 0;

  get size(): number {
    return this.lengths.length;
  }

  /** What was added; its buffer may be handed over. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#memory.subarray(0, this.#end);
  }

  add(record: Uint8Array): void {
    const end = this.#end + record.length;
    if (end > this.#memory.length) {
      const larger = new Uint8Array(Math.max(end, this.#memory.length * 2));
      larger.set(this.#memory.subarray(0, this.#end));
      this.#memory = larger;
    }
    this.#memory.set(record, this.#end);
    this.#end = end;
    this.lengths.push(record.length);
  }
}
