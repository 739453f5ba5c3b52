// Protobuf's wire format, written forward into a large block of memory. Callers know the fields; nothing is looked up.
// A nested message is written in place behind a length of one byte, and moved in the rare case that its length needs
// more. What is written is handed out as a view of the block: an allocation of its own costs more than the encoding.

/** There is always this much room: numbers are written without looking, strings and bytes see to it. */
const headroom = 1024;
const blockSize = 65_536;
/** Strings up to this length are copied character by character: cheaper than a call into C++. */
const shortString = 48;

export class Writer {
  #bytes = new Uint8Array(blockSize);
  /** The same memory: Buffer writes text faster, Uint8Array does all else faster. */
  #text = Buffer.from(this.#bytes.buffer);
  #at = 0;
  /** Where what is being written begins: everything before it was handed out. */
  #begin = 0;
  /** The second that most recent times lie after: subtracting small numbers is cheaper than dividing big ones. */
  #baseNs = 0n;
  #baseSeconds = 0;

  /** Begins anew, leaving `gap` bytes for `wrap`. */
  start(gap = 0): void {
    this.#at = this.#begin + gap;
    this.#reserve(0);
  }

  /** What was written since `start`. Keeps up to 64 KiB alive: for what is soon sent or kept with its neighbours. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(this.#begin, this.#at);
    this.#begin = this.#at;
    return taken;
  }

  /** A copy of what was written since `start`, to be kept. */
  copy(): Uint8Array {
    return this.#bytes.slice(this.#begin, this.#at);
  }

  /**
   * Makes all that was written since `start(gap)` the content of a field, `tag` being below 128: its head is written
   * into the gap, which takes six bytes.
   */
  wrap(tag: number, gap: number): void {
    const end = this.#at;
    const content = this.#begin + gap;
    const length = end - content;
    this.#begin = content - varintSize(length) - 1;
    this.#at = this.#begin;
    this.varint(tag);
    this.varint(length);
    this.#at = end;
  }

  /** An unsigned number below 2^32, or a tag. */
  varint(value: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    let rest = value >>> 0;
    while (rest > 127) {
      bytes[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    bytes[at++] = rest;
    this.#at = at;
  }

  /** A whole number from 0 to 2^53. */
  longVarint(value: number): void {
    let rest = value;
    while (rest > 0xffff_ffff) {
      this.#bytes[this.#at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.varint(rest);
  }

  /** The low 64 bits: negative numbers take ten bytes. */
  bigVarint(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    while (rest > 0xffff_ffffn) {
      this.#bytes[this.#at++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.varint(Number(rest));
  }

  /** An int32 or an enum's number. */
  int(value: number): void {
    if (value >= 0) this.varint(value);
    else this.bigVarint(BigInt(value | 0));
  }

  uintField(tag: number, value: number): void {
    if (value === 0) return;
    this.varint(tag);
    this.varint(value);
  }

  intField(tag: number, value: number): void {
    if (value === 0) return;
    this.varint(tag);
    this.int(value);
  }

  longField(tag: number, value: number): void {
    if (value === 0) return;
    this.varint(tag);
    this.longVarint(value);
  }

  bigField(tag: number, value: bigint): void {
    if (value === 0n) return;
    this.varint(tag);
    this.bigVarint(value);
  }

  boolField(tag: number, value: boolean): void {
    if (!value) return;
    this.varint(tag);
    this.#bytes[this.#at++] = 1;
  }

  stringField(tag: number, value: string): void {
    if (value !== "") this.string(tag, value);
  }

  /** Also if it is empty: an element of a repeated field. */
  string(tag: number, value: string): void {
    this.#reserve(value.length * 3);
    this.varint(tag);
    if (value.length > shortString) return this.#longString(value);
    const bytes = this.#bytes;
    const begin = this.#at + 1;
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code > 127) return this.#longString(value);
      bytes[begin + index] = code;
    }
    bytes[begin - 1] = value.length;
    this.#at = begin + value.length;
  }

  #longString(value: string): void {
    const size = Buffer.byteLength(value);
    this.varint(size);
    this.#at += this.#text.write(value, this.#at);
  }

  strings(tag: number, values: readonly string[]): void {
    for (const value of values) this.string(tag, value);
  }

  /** A nested message that is encoded already. */
  message(tag: number, encoded: Uint8Array): void {
    this.#reserve(encoded.length);
    this.varint(tag);
    this.varint(encoded.length);
    this.raw(encoded);
  }

  /** Whole fields that are encoded already. */
  raw(encoded: Uint8Array): void {
    this.#reserve(encoded.length);
    this.#bytes.set(encoded, this.#at);
    this.#at += encoded.length;
  }

  /** Begins a nested message; give what it returns to `close`. */
  open(tag: number): number {
    this.#reserve(0);
    this.varint(tag);
    this.#at++;
    // Not a place in the block: a new one may begin meanwhile.
    return this.#at - this.#begin;
  }

  close(opened: number): void {
    const content = this.#begin + opened;
    const size = this.#at - content;
    if (size < 128) {
      this.#bytes[content - 1] = size;
      return;
    }
    const extra = varintSize(size) - 1;
    this.#bytes.copyWithin(content + extra, content, this.#at);
    this.#at = content - 1;
    this.varint(size);
    this.#at = content + extra + size;
  }

  /** A google.protobuf.Timestamp. */
  time(tag: number, timeNs: bigint): void {
    const begin = this.open(tag);
    let sinceBase = Number(timeNs - this.#baseNs);
    if (!(sinceBase >= 0 && sinceBase < 1e15)) {
      const seconds = floorDivide(timeNs, 1_000_000_000n);
      this.#baseNs = seconds * 1_000_000_000n;
      this.#baseSeconds = Number(seconds);
      sinceBase = Number(timeNs - this.#baseNs);
    }
    const seconds = this.#baseSeconds + Math.floor(sinceBase / 1e9);
    if (seconds >= 0) this.longField(8, seconds);
    else this.bigField(8, BigInt(seconds));
    this.uintField(16, sinceBase % 1e9);
    this.close(begin);
  }

  #reserve(more: number): void {
    if (this.#at + more + 2 * headroom > this.#bytes.length) this.#newBlock(more);
  }

  /** What is being written moves to a new block; views keep the old one. */
  #newBlock(more: number): void {
    const written = this.#bytes.subarray(this.#begin, this.#at);
    const needed = written.length + more + 2 * headroom;
    const block = new Uint8Array(needed < blockSize ? blockSize : needed * 2);
    block.set(written);
    this.#bytes = block;
    this.#text = Buffer.from(block.buffer);
    this.#at = written.length;
    this.#begin = 0;
  }
}

/** How many bytes a varint of a number below 2^32 takes. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  return value < 0x1000_0000 ? 4 : 5;
}

function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  return value < 0n && quotient * divisor !== value ? quotient - 1n : quotient;
}
