// Values by prefix, found by what covers an address and by what lies inside a prefix: a binary trie per family, in
// which a node stands only where a value is or where two ways part.
//
//   10.0.0.0/8 *            covering(10.1.2.0/24): 10.0.0.0/8, 10.1.2.0/24
//     10.0.0.0/15           (no value: the ways part here)
//       10.0.0.0/24 *       within(10.0.0.0/15): 10.0.0.0/24, 10.1.2.0/24
//       10.1.2.0/24 *
import type { Family } from "./address.ts";
import type { Prefix } from "./prefix.ts";

type TrieNode<T> = {
  /** Of some prefix at or below the node; the first `length` bits are the node's. */
  readonly bytes: Uint8Array;
  readonly length: number;
  value: T | undefined;
  /** By the bit that follows the node's own. */
  readonly children: [TrieNode<T> | undefined, TrieNode<T> | undefined];
};

/** Families never meet: no IPv6 prefix covers an IPv4 one. */
export class PrefixTrie<T extends NonNullable<unknown>> {
  readonly #roots: Readonly<Record<Family, TrieNode<T>>> = {
    4: nodeOf(new Uint8Array(4), 0),
    6: nodeOf(new Uint8Array(16), 0),
  };
  #size = 0;

  /** How many prefixes have a value. */
  get size(): number {
    return this.#size;
  }

  get(prefix: Prefix): T | undefined {
    const node = this.#nodesTowards(prefix).at(-1);
    return node?.length === prefix.length ? node.value : undefined;
  }

  /** Gives a prefix its value, in place of the one it had. */
  set(prefix: Prefix, value: T): void {
    const { bytes } = prefix.address;
    let node = this.#roots[prefix.family];
    while (node.length < prefix.length) {
      const turn = bitAt(bytes, node.length);
      const child = (node.children[turn] ??= nodeOf<T>(bytes, prefix.length));
      const common = commonBits(child.bytes, bytes, Math.min(child.length, prefix.length));
      if (common < child.length) {
        // The way to the child passes by where the new prefix is, or where its own way begins.
        const joint = nodeOf<T>(bytes, common);
        joint.children[bitAt(child.bytes, common)] = child;
        node.children[turn] = joint;
        node = joint;
      } else node = child;
    }
    if (node.value === undefined) this.#size++;
    node.value = value;
  }

  /** Takes a prefix's value away. False when it had none. */
  delete(prefix: Prefix): boolean {
    const way = this.#nodesTowards(prefix);
    const node = way.at(-1);
    if (node?.length !== prefix.length || node.value === undefined) return false;
    node.value = undefined;
    this.#size--;
    // The node is of no use any more, and without it its parent may not be either.
    shorten(way.at(-2), node);
    shorten(way.at(-3), way.at(-2));
    return true;
  }

  /** Values of the prefixes that cover this one, itself included, widest first. */
  covering(prefix: Prefix): T[] {
    return this.#nodesTowards(prefix).flatMap(({ value }) => (value === undefined ? [] : [value]));
  }

  /** Values of the prefixes inside this one, itself included, in order of `Prefix.compare`. Not to be changed meanwhile. */
  *within(prefix: Prefix): Generator<T, void> {
    const top = this.#topWithin(prefix);
    const ahead = top ? [top] : [];
    for (let node = ahead.pop(); node; node = ahead.pop()) {
      if (node.value !== undefined) yield node.value;
      const [zero, one] = node.children;
      if (one) ahead.push(one);
      if (zero) ahead.push(zero);
    }
  }

  /** The nodes whose prefixes cover this one, from the root on. */
  #nodesTowards({ address: { bytes }, family, length }: Prefix): TrieNode<T>[] {
    const way: TrieNode<T>[] = [];
    let node: TrieNode<T> | undefined = this.#roots[family];
    while (node && node.length <= length) {
      if (commonBits(node.bytes, bytes, node.length) < node.length) break;
      way.push(node);
      if (node.length === length) break;
      node = node.children[bitAt(bytes, node.length)];
    }
    return way;
  }

  /** The widest node inside the prefix. */
  #topWithin(prefix: Prefix): TrieNode<T> | undefined {
    const { bytes } = prefix.address;
    const above = this.#nodesTowards(prefix).at(-1);
    if (!above || above.length === prefix.length) return above;
    const child = above.children[bitAt(bytes, above.length)];
    const inside =
      child !== undefined &&
      child.length >= prefix.length &&
      commonBits(child.bytes, bytes, prefix.length) === prefix.length;
    return inside ? child : undefined;
  }
}

function nodeOf<T>(bytes: Uint8Array, length: number): TrieNode<T> {
  return { bytes, length, value: undefined, children: [undefined, undefined] };
}

/** Takes a node without a value, and with one child at most, out of its parent's way. */
function shorten<T>(parent: TrieNode<T> | undefined, node: TrieNode<T> | undefined): void {
  if (!parent || !node || node.value !== undefined) return;
  const [zero, one] = node.children;
  if (zero && one) return;
  parent.children[bitAt(node.bytes, parent.length)] = zero ?? one;
}

function bitAt(bytes: Uint8Array, index: number): 0 | 1 {
  return (((bytes[index >> 3] as number) >> (7 - (index & 7))) & 1) as 0 | 1;
}

/** How many leading bits two addresses share, `most` at the most. */
function commonBits(a: Uint8Array, b: Uint8Array, most: number): number {
  for (let index = 0; index << 3 < most; index++) {
    const difference = (a[index] as number) ^ (b[index] as number);
    if (difference !== 0) return Math.min(most, (index << 3) + Math.clz32(difference) - 24);
  }
  return most;
}
