// How a slot that is compiled no more sees cidr sets that came up since. It looks at the prefixes that policies named
// in its time; what of a new set is among those was a set then, and the class of that one is the new one's too.
//
//   then: {10.0.0.0/8} -> class 1        now: {10.0.0.0/8, 10.1.0.0/16} -> among those of then: {10.0.0.0/8} -> class 1
//
// Without it a slot that stays in force, if only until the next write, would take an address for one that no prefix
// covers.
import type { Prefix } from "@tsilium/net";

/** Prefixes by their text: a set of texts, or a map by text. Not changed any more. */
export type PrefixTexts = { has(text: string): boolean };

export class CidrView {
  readonly #prefixes: PrefixTexts;
  readonly #classes: ReadonlyMap<string, number>;

  /**
   * @param prefixes those that policies named
   * @param classes class by the set's content (`contentKey`)
   */
  constructor(prefixes: PrefixTexts, classes: ReadonlyMap<string, number>) {
    this.#prefixes = prefixes;
    this.#classes = classes;
  }

  /** The class of a set; 0: the slot makes no difference for it. */
  classOf(prefixes: readonly Prefix[]): number {
    const known = prefixes.filter((prefix) => this.#prefixes.has(prefix.toString()));
    return this.#classes.get(contentKey(known)) ?? 0;
  }
}

/** A set's content as a key. Sets are chains, widest prefix first. */
export function contentKey(prefixes: readonly Prefix[]): string {
  return prefixes.join(" ");
}
