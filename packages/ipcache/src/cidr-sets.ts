// Numbers for the sets of policy prefixes that cover an address. Such prefixes lie inside each other, so a set is a
// chain: its narrowest prefix, and the set of what covers that one.
import type { Prefix } from "@tsilium/net";

export type CidrSet = {
  readonly id: number;
  /** Widest first. */
  readonly prefixes: readonly Prefix[];
};

type Link = CidrSet & {
  readonly wider: Link | undefined;
  /** Sets with one prefix more, by that prefix's text. */
  readonly narrower: Map<string, Link>;
  rows: number;
};

/** A set of content that is there has one number; a number is never given twice. */
export class CidrSets {
  /** The empty set's, which is never announced. */
  static readonly none = 0;
  readonly #links = new Map<number, Link>();
  readonly #widest = new Map<string, Link>();
  readonly #fresh = new Set<Link>();
  readonly #idle = new Set<Link>();
  #next: number;

  constructor(firstSet: number) {
    this.#next = firstSet;
  }

  get(id: number): CidrSet | undefined {
    return this.#links.get(id);
  }

  /** The number of the set `wider` with one prefix, narrower than all in it, added. */
  extend(wider: number, prefix: Prefix): number {
    const below = this.#links.get(wider);
    const siblings = below?.narrower ?? this.#widest;
    const text = prefix.toString();
    const known = siblings.get(text);
    if (known) return known.id;
    const link: Link = {
      id: this.#next++,
      prefixes: [...(below?.prefixes ?? []), prefix],
      wider: below,
      narrower: new Map(),
      rows: 0,
    };
    siblings.set(text, link);
    this.#links.set(link.id, link);
    this.#fresh.add(link);
    this.#idle.add(link);
    return link.id;
  }

  /** A row has this set from now on. */
  acquire(id: number): void {
    const link = this.#links.get(id);
    if (link && link.rows++ === 0) this.#idle.delete(link);
  }

  /** A row no longer has it. */
  release(id: number): void {
    const link = this.#links.get(id);
    if (link && --link.rows === 0) this.#idle.add(link);
  }

  /** What has come up and what no row has any more since the last call; the latter is forgotten. */
  settle(): { readonly added: readonly CidrSet[]; readonly removed: readonly number[] } {
    const gone = [...this.#idle];
    const added = [...this.#fresh]
      .filter((link) => link.rows > 0)
      .map(({ id, prefixes }) => ({ id, prefixes }));
    const removed = gone.filter((link) => !this.#fresh.has(link)).map(({ id }) => id);
    for (const link of gone) {
      const siblings = link.wider?.narrower ?? this.#widest;
      siblings.delete(link.prefixes.at(-1)?.toString() ?? "");
      this.#links.delete(link.id);
    }
    this.#fresh.clear();
    this.#idle.clear();
    return { added, removed };
  }
}
