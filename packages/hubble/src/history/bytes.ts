// A growing buffer, and a reader that never reads past its end.
import { corrupt } from "./errors.ts";

export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity = 1 << 16) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** Room for `length` bytes, which the caller fills; true until the next call. */
  reserve(length: number): Buffer {
    const end = this.#length + length;
    if (end > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(end, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    const room = this.#bytes.subarray(this.#length, end);
    this.#length = end;
    return room;
  }

  u32(value: number): void {
    this.reserve(4).writeUInt32LE(value);
  }

  /** Its UTF-8, with the length in bytes before it. */
  text(text: string): void {
    const length = Buffer.byteLength(text);
    this.u32(length);
    this.reserve(length).write(text);
  }

  /** What was written; true until the next write. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }
}

export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** @throws HistoryError corrupt */
  take(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw corrupt("a block ends too early");
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }

  u8(): number {
    return this.take(1)[0] as number;
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  text(): string {
    return this.take(this.u32()).toString();
  }

  /** A column of `count` numbers (planes.ts), not decoded yet. */
  column(count: number): ByteReader {
    const width = this.#bytes[this.#at] ?? 0;
    return new ByteReader(this.take(1 + width * count));
  }
}
