// Tuples of a block that is read, each made into an object once.
import type { ByteReader } from "./bytes.ts";
import { corrupt } from "./errors.ts";
import { type Column, readColumn } from "./planes.ts";

/** No more than there can be flows in a block. */
const mostTuples = 1 << 16;

export class StoredTuples<T> {
  readonly #count: number;
  readonly #fields: readonly ByteReader[];
  readonly #read: (at: (field: number) => number) => T;
  readonly #made: (T | undefined)[] = [];
  #columns: readonly Column[] | undefined;

  /** @throws HistoryError corrupt */
  constructor(from: ByteReader, width: number, read: (at: (field: number) => number) => T) {
    this.#count = from.u32();
    if (this.#count > mostTuples) throw corrupt(`${this.#count} tuples`);
    this.#fields = Array.from({ length: width }, () => from.column(this.#count));
    this.#read = read;
  }

  /** @throws HistoryError corrupt: no such number */
  get(number: number): T {
    const made = this.#made[number];
    if (made !== undefined) return made;
    if (number >= this.#count) throw corrupt(`tuple ${number} of ${this.#count}`);
    this.#columns ??= this.#fields.map((field) => readColumn(field, this.#count));
    const columns = this.#columns;
    return (this.#made[number] = this.#read((field) => (columns[field]?.[number] ?? 0) | 0));
  }
}
