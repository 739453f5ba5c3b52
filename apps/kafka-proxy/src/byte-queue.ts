// Bytes that came and are not dealt with yet, as the chunks they came in.
export class ByteQueue {
  #chunks: Buffer[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** The first bytes in one piece: at least `length` of them, or all there are. */
  first(length: number): Buffer {
    const [chunk = Buffer.alloc(0)] = this.#chunks;
    if (chunk.length >= length || this.#chunks.length <= 1) return chunk;
    const whole = Buffer.concat(this.#chunks);
    this.#chunks = [whole];
    return whole;
  }

  /** Takes up to `length` bytes off the front. */
  take(length: number): Buffer[] {
    const taken: Buffer[] = [];
    let left = Math.min(length, this.#length);
    this.#length -= left;
    while (left > 0) {
      const chunk = this.#chunks[0] as Buffer;
      if (chunk.length > left) {
        taken.push(chunk.subarray(0, left));
        this.#chunks[0] = chunk.subarray(left);
        return taken;
      }
      taken.push(chunk);
      left -= chunk.length;
      this.#chunks.shift();
    }
    return taken;
  }

  clear(): void {
    this.#chunks = [];
    this.#length = 0;
  }
}
