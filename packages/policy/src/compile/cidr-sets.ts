// Contents of cidr-sets as the caller numbers them, and what became different since slots were last brought up to date.
import type { Prefix } from "@tsilium/net";

export type CidrSetChanges = {
  readonly added: readonly (readonly [id: number, texts: readonly string[]])[];
  /** Numbers that stand for another content now. */
  readonly changed: readonly (readonly [id: number, texts: readonly string[]])[];
  readonly removed: readonly number[];
};

export class CidrSets {
  readonly #sets = new Map<number, readonly string[]>();
  /** Sets that a prefix is in, by its text. */
  readonly #byText = new Map<string, Set<number>>();
  /** Of sets touched since the last `takeChanges`: what they were then. */
  readonly #before = new Map<number, readonly string[] | undefined>();

  set(id: number, prefixes: readonly Prefix[]): void {
    this.delete(id);
    const texts = prefixes.map(String);
    this.#sets.set(id, texts);
    for (const text of texts) {
      const ids = this.#byText.get(text) ?? new Set();
      this.#byText.set(text, ids.add(id));
    }
  }

  delete(id: number): void {
    const texts = this.#sets.get(id);
    if (!this.#before.has(id)) this.#before.set(id, texts);
    this.#sets.delete(id);
    for (const text of texts ?? []) {
      const ids = this.#byText.get(text);
      if (ids?.delete(id) && ids.size === 0) this.#byText.delete(text);
    }
  }

  /** Sets with any of the prefixes in them. */
  *having(texts: Iterable<string>): Generator<readonly [number, readonly string[]], void> {
    const told = new Set<number>();
    for (const text of texts)
      for (const id of this.#byText.get(text) ?? []) {
        if (!told.has(id)) yield [id, this.#sets.get(id) ?? []];
        told.add(id);
      }
  }

  /** The number of the set of just these prefixes. */
  find(texts: readonly string[]): number | undefined {
    const wanted = contentKey(texts);
    for (const [id, content] of this.#sets) if (contentKey(content) === wanted) return id;
    return undefined;
  }

  takeChanges(): CidrSetChanges {
    const added: [number, readonly string[]][] = [];
    const changed: [number, readonly string[]][] = [];
    const removed: number[] = [];
    for (const [id, before] of this.#before) {
      const now = this.#sets.get(id);
      if (before && !now) removed.push(id);
      else if (!before && now) added.push([id, now]);
      else if (before && now && contentKey(before) !== contentKey(now)) changed.push([id, now]);
    }
    this.#before.clear();
    return { added, changed, removed };
  }
}

function contentKey(texts: readonly string[]): string {
  return [...texts].sort().join();
}
