// What a proxy has to tell its agent, kept while there is none or while it is slow. Bounded: of names the newest are
// kept, of records too, and how many were lost is told with the next ones.
import type { FromProxy, ProxyRecord, ResolvedName } from "../model.ts";

export type OutboxLimits = {
  readonly maxRecords: number;
  readonly maxNames: number;
};

const recordsPerMessage = 512;
const namesPerMessage = 256;
/** Of all names that wait: an answer may have thousands. */
const maxAddresses = 262_144;

export class Outbox {
  readonly #records: Ring<ProxyRecord>;
  readonly #names: Ring<ResolvedName>;
  #addresses = 0;
  #lostRecords = 0;
  /** Since the start. */
  readonly totals = { lostRecords: 0, lostNames: 0 };

  constructor({ maxRecords, maxNames }: OutboxLimits) {
    this.#records = new Ring(maxRecords);
    this.#names = new Ring(maxNames);
  }

  get recordCount(): number {
    return this.#records.length;
  }

  get hasNames(): boolean {
    return this.#names.length > 0;
  }

  addRecord(record: ProxyRecord): void {
    if (!this.#records.push(record)) return;
    this.#lostRecords++;
    this.totals.lostRecords++;
  }

  addName(name: ResolvedName): void {
    this.#addresses += name.addresses.length;
    this.#lose(this.#names.push(name));
    while (this.#addresses > maxAddresses && this.#names.length > 1)
      this.#lose(this.#names.take(1)[0]);
  }

  #lose(name: ResolvedName | undefined): void {
    if (!name) return;
    this.#addresses -= name.addresses.length;
    this.totals.lostNames++;
  }

  /** No answer waits for these any more: whoever gets them now is not to release any. */
  forgetIds(): void {
    this.#names.replaceEach((name) => (name.id === 0 ? name : { ...name, id: 0 }));
  }

  /** The next message: names first, answers wait for them. Undefined: nothing is left. */
  next(): FromProxy | undefined {
    if (this.#names.length > 0) {
      const answers = this.#names.take(namesPerMessage);
      for (const { addresses } of answers) this.#addresses -= addresses.length;
      return { kind: "resolved", answers };
    }
    if (this.#records.length === 0) return undefined;
    const records = this.#records.take(recordsPerMessage);
    const lost = this.#lostRecords;
    this.#lostRecords = 0;
    return { kind: "records", records, ...(lost === 0 ? {} : { lost }) };
  }
}

/** A queue that forgets its oldest item when it is full. */
class Ring<T> {
  readonly #items: (T | undefined)[];
  #first = 0;
  length = 0;

  constructor(limit: number) {
    this.#items = Array.from({ length: limit });
  }

  /** Answers the oldest item if it was lost for it. */
  push(item: T): T | undefined {
    const lost = this.length === this.#items.length ? this.#shift() : undefined;
    this.#items[this.#at(this.length)] = item;
    this.length++;
    return lost;
  }

  take(count: number): T[] {
    return Array.from({ length: Math.min(count, this.length) }, () => this.#shift());
  }

  replaceEach(replace: (item: T) => T): void {
    for (let index = 0; index < this.length; index++) {
      const at = this.#at(index);
      this.#items[at] = replace(this.#items[at] as T);
    }
  }

  #at(index: number): number {
    return (this.#first + index) % this.#items.length;
  }

  #shift(): T {
    const item = this.#items[this.#first] as T;
    this.#items[this.#first] = undefined;
    this.#first = this.#at(1);
    this.length--;
    return item;
  }
}
