// Protobuf's wire format, read from bytes that nobody vouches for: every length is checked against what is there, and
// nothing is allocated by an announced length. A field whose wire type is not the expected one is skipped, as unknown
// fields are.
import { CodecError } from "./error.ts";

/** Thrown by decoders that met a nested message twice; never leaves the codec. */
export const occursTwice = Symbol("a nested message occurs twice");

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Groups within groups; nothing of ours has any. */
const maxGroupDepth = 32;

export class Reader {
  readonly bytes: Buffer;
  at: number;
  /** Of the message that is being read: nested ones set and restore it. */
  end: number;

  constructor(bytes: Uint8Array) {
    this.bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
    this.end = bytes.byteLength;
  }

  /** The next field's tag, 0 at the end of the message. @throws CodecError */
  tag(): number {
    if (this.at >= this.end) return 0;
    const tag = this.uint();
    if (tag < 8) throw new CodecError("tag", `field number 0 at byte ${this.at}`);
    return tag;
  }

  /** The low 32 bits of a varint, unsigned. */
  uint(): number {
    const first = this.bytes[this.at];
    if (first !== undefined && first < 128 && this.at < this.end) {
      this.at++;
      return first;
    }
    return this.#longUint();
  }

  #longUint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#byte();
      if (shift < 32) value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
    throw new CodecError("varint", `a number of more than ten bytes before byte ${this.at}`);
  }

  int(): number {
    return this.uint() | 0;
  }

  bool(): boolean {
    return this.bigUint() !== 0n;
  }

  /** A uint64 as a number: exact up to 2^53. */
  longUint(): number {
    const begin = this.at;
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 7; count++) {
      const byte = this.#byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    this.at = begin;
    return Number(this.bigUint());
  }

  bigUint(): bigint {
    const first = this.bytes[this.at];
    if (first !== undefined && first < 128 && this.at < this.end) {
      this.at++;
      return BigInt(first);
    }
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
    throw new CodecError("varint", `a number of more than ten bytes before byte ${this.at}`);
  }

  #byte(): number {
    if (this.at >= this.end) throw new CodecError("truncated", `a number ends at byte ${this.at}`);
    return this.bytes[this.at++] as number;
  }

  /** Where the length-delimited value ends that is next; `at` is its begin. */
  delimited(): number {
    const length = this.uint();
    const end = this.at + length;
    if (end > this.end) {
      throw new CodecError(
        "truncated",
        `${length} bytes announced at byte ${this.at}, fewer there`,
      );
    }
    return end;
  }

  string(): string {
    const end = this.delimited();
    const begin = this.at;
    this.at = end;
    const bytes = this.bytes;
    for (let index = begin; index < end; index++) {
      if ((bytes[index] as number) > 127) return this.#utf8(begin, end);
    }
    return bytes.toString("latin1", begin, end);
  }

  #utf8(begin: number, end: number): string {
    try {
      return strictUtf8.decode(this.bytes.subarray(begin, end));
    } catch (cause) {
      throw new CodecError("utf8", `no UTF-8 in the string at byte ${begin}`, { cause });
    }
  }

  /** A view of the value. */
  view(): Uint8Array {
    const end = this.delimited();
    const found = this.bytes.subarray(this.at, end);
    this.at = end;
    return found;
  }

  /** Passes over the value of a field with this tag. */
  skip(tag: number, depth = 0): void {
    switch (tag & 7) {
      case 0:
        this.bigUint();
        return;
      case 1:
        return this.#advance(8);
      case 2:
        this.at = this.delimited();
        return;
      case 3:
        return this.#skipGroup(tag, depth);
      case 5:
        return this.#advance(4);
      default:
        throw new CodecError("tag", `wire type ${tag & 7} at byte ${this.at}`);
    }
  }

  #skipGroup(tag: number, depth: number): void {
    if (depth >= maxGroupDepth) throw new CodecError("tag", `groups nested ${depth} deep`);
    for (;;) {
      const inner = this.tag();
      if (inner === 0) throw new CodecError("truncated", "a group without an end");
      if ((inner & 7) === 4) {
        if (inner === tag + 1) return;
        throw new CodecError("tag", `a group ends that did not begin, at byte ${this.at}`);
      }
      this.skip(inner, depth + 1);
    }
  }

  #advance(count: number): void {
    if (this.at + count > this.end) {
      throw new CodecError("truncated", `${count} bytes expected at byte ${this.at}`);
    }
    this.at += count;
  }

  /** A google.protobuf.Timestamp. @throws CodecError "time" */
  time(): bigint {
    const outer = this.end;
    this.end = this.delimited();
    let seconds = 0n;
    let nanos = 0;
    for (let tag = this.tag(); tag !== 0; tag = this.tag()) {
      if (tag === 8) seconds = BigInt.asIntN(64, this.bigUint());
      else if (tag === 16) nanos = this.int();
      else this.skip(tag);
    }
    this.end = outer;
    return checkedTime(seconds, nanos);
  }
}

/** A reader of the bytes in [begin, end). */
export function readerAt(bytes: Buffer, begin: number, end: number): Reader {
  const reader = new Reader(bytes);
  reader.at = begin;
  reader.end = end;
  return reader;
}

const firstSecond = -62_135_596_800n;
const lastSecond = 253_402_300_799n;

/** @throws CodecError "time" for what google.protobuf.Timestamp does not allow. */
export function checkedTime(seconds: bigint, nanos: number): bigint {
  if (seconds < firstSecond || seconds > lastSecond || nanos < 0 || nanos > 999_999_999) {
    throw new CodecError("time", `no time: ${seconds} seconds, ${nanos} nanoseconds`);
  }
  return seconds * 1_000_000_000n + BigInt(nanos);
}
