// What flows of a block have in common, kept once and named by number: strings, and JSON texts of what is larger.
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { corrupt } from "./errors.ts";
import { readColumn, writeColumn } from "./planes.ts";

/** Number 0 is "". */
export class StringTable {
  readonly #numbers = new Map<string, number>();
  #texts: string[] = [];
  #size = 0;

  constructor() {
    this.clear();
  }

  /** UTF-16 units in all of them. */
  get size(): number {
    return this.#size;
  }

  intern(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.#texts.length;
    this.#numbers.set(text, number);
    this.#texts.push(text);
    this.#size += text.length;
    return number;
  }

  write(out: ByteWriter): void {
    writeTexts(out, this.#texts);
  }

  clear(): void {
    this.#numbers.clear();
    this.#numbers.set("", 0);
    this.#texts = [""];
    this.#size = 0;
  }
}

/**
 * Values that JSON can say, by their JSON. Number 0 is undefined and the empty list. What is the same object as before
 * is not looked into again.
 */
export class PartTable {
  readonly #texts = new StringTable();
  readonly #known = new Map<object, number>();

  get size(): number {
    return this.#texts.size;
  }

  intern(value: object | undefined): number {
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return 0;
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    const number = this.#texts.intern(JSON.stringify(value));
    this.#known.set(value, number);
    return number;
  }

  write(out: ByteWriter): void {
    this.#texts.write(out);
  }

  clear(): void {
    this.#texts.clear();
    this.#known.clear();
  }
}

export function writeTexts(out: ByteWriter, texts: readonly string[]): void {
  const lengths = new Uint32Array(texts.length);
  for (let at = 0; at < lengths.length; at++) lengths[at] = (texts[at] as string).length;
  out.u32(lengths.length);
  writeColumn(out, lengths, lengths.length);
  out.text(texts.join(""));
}

/** No more texts than this in a block; a damaged count asks for no more memory. */
const mostTexts = 1 << 22;

/** Texts of a block, cut out of it when asked for. They keep all of the block's texts in memory. */
export class Texts {
  readonly #all: string;
  readonly #ends: Uint32Array;
  readonly #cut: (string | undefined)[] = [];

  /** @throws HistoryError corrupt */
  constructor(from: ByteReader) {
    const count = from.u32();
    if (count > mostTexts) throw corrupt(`${count} texts`);
    const lengths = readColumn(from, count);
    this.#all = from.text();
    this.#ends = new Uint32Array(count);
    let end = 0;
    for (let at = 0; at < count; at++) this.#ends[at] = end += lengths[at] as number;
    if (end !== this.#all.length) throw corrupt("texts of other lengths than said");
  }

  get count(): number {
    return this.#ends.length;
  }

  /** @throws HistoryError corrupt: no such number */
  get(number: number): string {
    const known = this.#cut[number];
    if (known !== undefined) return known;
    const end = this.#ends[number];
    if (end === undefined) throw corrupt(`text ${number} of ${this.count}`);
    const text = this.#all.slice(number === 0 ? 0 : this.#ends[number - 1], end);
    this.#cut[number] = text;
    return text;
  }
}
