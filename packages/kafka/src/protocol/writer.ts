// Builds a message of big-endian fields.
export class Writer {
  #bytes: Buffer = Buffer.allocUnsafe(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  int8(value: number): void {
    this.#bytes.writeInt8(value, this.#grow(1));
  }

  int16(value: number): void {
    this.#bytes.writeInt16BE(value, this.#grow(2));
  }

  int32(value: number): void {
    this.#bytes.writeInt32BE(value, this.#grow(4));
  }

  int64(value: bigint): void {
    this.#bytes.writeBigInt64BE(value, this.#grow(8));
  }

  unsignedVarint(value: number): void {
    let left = value;
    for (; left > 0x7f; left = Math.floor(left / 128)) this.#byte((left % 128) + 0x80);
    this.#byte(left);
  }

  raw(bytes: Buffer): void {
    bytes.copy(this.#bytes, this.#grow(bytes.length));
  }

  /** What was written. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #byte(value: number): void {
    const start = this.#grow(1);
    this.#bytes[start] = value;
  }

  #grow(length: number): number {
    const start = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#length, 2 * this.#bytes.length));
      this.#bytes.copy(larger, 0, 0, start);
      this.#bytes = larger;
    }
    return start;
  }
}
