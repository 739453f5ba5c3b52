// Messages out of a stream (RFC 1035, 4.2.2): two bytes of length before each.

const longestMessage = 65_535;

/** Parts are joined when there are so many: each costs more than the bytes that it may hold. */
const maxParts = 64;

export class FrameReader {
  readonly #limitBytes: number;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(limitBytes: number = longestMessage) {
    this.#limitBytes = limitBytes;
  }

  /** Messages that this chunk completes, in order; undefined: one is longer than the limit, the stream is of no use. */
  push(chunk: Buffer): Buffer[] | undefined {
    this.#parts.push(chunk);
    this.#length += chunk.length;
    if (this.#parts.length > maxParts) this.#joined();
    const messages: Buffer[] = [];
    for (;;) {
      const size = this.#nextSize();
      if (size !== undefined && size > this.#limitBytes) return undefined;
      if (size === undefined || this.#length < 2 + size) return messages;
      const bytes = this.#joined();
      // A copy: what is handed out may be kept, and must not keep the stream's memory.
      messages.push(Buffer.from(bytes.subarray(2, 2 + size)));
      this.#parts = bytes.length > 2 + size ? [bytes.subarray(2 + size)] : [];
      this.#length -= 2 + size;
    }
  }

  #nextSize(): number | undefined {
    if (this.#length < 2) return undefined;
    const first = this.#parts[0] as Buffer;
    return (first.length >= 2 ? first : this.#joined()).readUInt16BE(0);
  }

  #joined(): Buffer {
    if (this.#parts.length > 1) this.#parts = [Buffer.concat(this.#parts)];
    return this.#parts[0] as Buffer;
  }
}

/** @throws RangeError for what is too long to be a message */
export function frame(message: Buffer): Buffer {
  if (message.length > longestMessage)
    throw new RangeError("a DNS message has 65535 bytes at most");
  const framed = Buffer.allocUnsafe(2 + message.length);
  framed.writeUInt16BE(message.length, 0);
  message.copy(framed, 2);
  return framed;
}
