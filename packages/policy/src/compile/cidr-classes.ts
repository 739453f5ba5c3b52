// cidr-set -> cidr class within a slot: which parties an address belongs to by itself. The classes are known from the
// slot's own prefixes: prefixes nest, so addresses fall into as many regions as there are prefixes, each covered by one
// chain of them. Sets that come up later only say which class they are.
import type { CidrClassEntry } from "../model.ts";
import { SlotError } from "./errors.ts";
import type { CidrUse, PrefixUse } from "./grouping.ts";
import type { AddressView } from "./peer-classes.ts";

export type CidrClass = {
  readonly number: number;
  /** Parties that every peer with such an address belongs to. */
  readonly any: readonly number[];
  /** Parties that only peers outside the cluster belong to. */
  readonly external: readonly number[];
};

/** Class numbers have 16 bits. */
const classLimit = 2 ** 16;

export class CidrClasses {
  readonly #prefixes: ReadonlyMap<string, PrefixUse>;
  readonly #byParties = new Map<string, CidrClass>();
  readonly #bySet = new Map<number, CidrClass>();
  readonly #default: CidrClass = { number: 0, any: [], external: [] };

  constructor(prefixes: ReadonlyMap<string, PrefixUse>) {
    this.#prefixes = prefixes;
    this.#byParties.set(partiesKey(this.#default), this.#default);
  }

  get(set: number): CidrClass {
    return this.#bySet.get(set) ?? this.#default;
  }

  all(): Iterable<CidrClass> {
    return this.#byParties.values();
  }

  *entries(): Generator<CidrClassEntry, void> {
    for (const [cidrSet, { number }] of this.#bySet) yield { cidrSet, class: number };
  }

  /** A class for every region. @throws SlotError too_many_classes */
  fill(): void {
    const around: { readonly text: string; readonly use: PrefixUse }[] = [];
    const sorted = [...this.#prefixes].sort(([, a], [, b]) => a.prefix.compare(b.prefix));
    for (const [text, use] of sorted) {
      // Wider prefixes come first: what does not contain this one contains nothing that follows.
      while (around.at(-1)?.use.prefix.contains(use.prefix) === false) around.pop();
      around.push({ text, use });
      this.#classOf(around.map((region) => region.text));
    }
  }

  /**
   * Adds a set of prefixes. Answers its class if there was none such, which is so only where the set is older than some
   * prefix of the slot. @throws SlotError too_many_classes
   */
  add(set: number, texts: readonly string[]): CidrClass | undefined {
    const before = this.#byParties.size;
    const found = this.#classOf(texts);
    if (found !== this.#default) this.#bySet.set(set, found);
    return this.#byParties.size > before ? found : undefined;
  }

  /** Whether the set still is of the class that it was given. */
  holds(set: number, texts: readonly string[]): boolean {
    return partiesKey(this.#partiesOf(texts)) === partiesKey(this.get(set));
  }

  /** Whether there was an entry. */
  delete(set: number): boolean {
    return this.#bySet.delete(set);
  }

  #classOf(texts: readonly string[]): CidrClass {
    const parties = this.#partiesOf(texts);
    const key = partiesKey(parties);
    const known = this.#byParties.get(key);
    if (known) return known;
    const number = this.#byParties.size;
    if (number >= classLimit)
      throw new SlotError(
        "too_many_classes",
        `more than ${classLimit} kinds of addresses in one policy`,
      );
    const created = { number, ...parties };
    this.#byParties.set(key, created);
    return created;
  }

  #partiesOf(texts: readonly string[]): Omit<CidrClass, "number"> {
    const uses = texts.flatMap((text) => this.#prefixes.get(text)?.uses ?? []);
    const applying = uses.filter(({ except }) => !texts.some((text) => except.has(text)));
    return { any: partiesIn(applying, "any"), external: partiesIn(applying, "external") };
  }
}

/** Parties that a peer belongs to by an address of the class. */
export function partiesByAddress(
  { any, external }: CidrClass,
  view: AddressView,
): readonly number[] {
  if (view === "none") return [];
  return view === "any" ? any : [...any, ...external];
}

function partiesIn(uses: readonly CidrUse[], wanted: CidrUse["scope"]): number[] {
  const parties = uses.filter(({ scope }) => scope === wanted).map(({ party }) => party);
  return [...new Set(parties)].sort((a, b) => a - b);
}

function partiesKey({ any, external }: Omit<CidrClass, "number">): string {
  return `${any.join()}/${external.join()}`;
}
