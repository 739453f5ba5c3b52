// A cursor over the first bytes of a message of known length. Reading beyond the message is malformed; reading beyond
// the bytes at hand is truncated, and goes on once more of them are there.
import { MalformedError, TruncatedError } from "./error.ts";

/** Elements of all arrays of one message: far more than a cluster has partitions, few enough to hold as objects. */
const maxElements = 250_000;

export class Reader {
  readonly #bytes: Buffer;
  /** Of the whole message, of which `bytes` may be a beginning. */
  readonly #length: number;
  #at: number;
  #elements = 0;

  constructor(bytes: Buffer, length: number = bytes.length, at = 0) {
    this.#bytes = bytes;
    this.#length = length;
    this.#at = at;
  }

  get at(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#length;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#take(1));
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  int64(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8));
  }

  /** As 32 hexadecimal digits. */
  uuid(): string {
    const start = this.#take(16);
    return this.#bytes.toString("hex", start, start + 16);
  }

  unsignedVarint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.#bytes[this.#take(1)] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0x7fff_ffff) break;
        return value;
      }
    }
    throw new MalformedError("a varint of more than 31 bits");
  }

  text(length: number): string {
    const start = this.#take(length);
    return this.#bytes.toString("utf8", start, start + length);
  }

  skip(length: number): void {
    this.#take(length);
  }

  /** Says that an array of so many elements begins: each takes a byte or more. */
  elements(count: number): void {
    this.#elements += count;
    if (count > this.#length - this.#at)
      throw new MalformedError("an array longer than its message");
    if (this.#elements > maxElements) throw new MalformedError("more elements than are looked at");
  }

  #take(length: number): number {
    const start = this.#at;
    const end = start + length;
    if (end > this.#length) throw new MalformedError("a field beyond the end of its message");
    if (end > this.#bytes.length) throw new TruncatedError(end);
    this.#at = end;
    return start;
  }
}
