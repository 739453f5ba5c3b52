// JSON lines out of a stream of bytes, each bounded: what is longer is an error, not memory.

/** The longest line either side takes: a whole state of a few thousand rule sets. */
export const maxLineBytes = 16 * 1024 * 1024;

export class LineTooLongError extends Error {
  override readonly name = "LineTooLongError";
  readonly code = "line_too_long";

  constructor(limitBytes: number) {
    super(`a control line is longer than ${limitBytes} bytes`);
  }
}

/** Cuts chunks into lines; empty ones are left out. */
export class LineReader {
  readonly #limitBytes: number;
  #parts: Buffer[] = [];
  #length = 0;

  constructor(limitBytes: number = maxLineBytes) {
    this.#limitBytes = limitBytes;
  }

  /** Lines that this chunk completes. @throws LineTooLongError: the stream is of no use then */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let from = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      this.#keep(chunk.subarray(from, end));
      if (this.#length > 0) lines.push(this.#take());
      from = end + 1;
    }
    this.#keep(chunk.subarray(from));
    return lines;
  }

  #keep(part: Buffer): void {
    if (part.length === 0) return;
    this.#length += part.length;
    if (this.#length > this.#limitBytes) throw new LineTooLongError(this.#limitBytes);
    this.#parts.push(part);
  }

  #take(): string {
    const bytes =
      this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    return bytes.toString("utf8");
  }
}
