import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, repeat } from "@tsilium/testkit";
import { Address } from "./address.ts";
import { Prefix } from "./prefix.ts";
import { PrefixTrie } from "./prefix-trie.ts";

const trieOf = (...texts: string[]) => {
  const trie = new PrefixTrie<string>();
  for (const text of texts) trie.set(Prefix.parse(text), text);
  return trie;
};

test("what covers a prefix comes widest first, what lies inside it in order of addresses", () => {
  const trie = trieOf("10.1.2.0/24", "0.0.0.0/0", "10.0.0.0/24", "10.0.0.0/8", "10.1.2.3/32");
  assert.deepEqual(trie.covering(Prefix.parse("10.1.2.0/24")), [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.1.2.0/24",
  ]);
  assert.deepEqual(
    [...trie.within(Prefix.parse("10.0.0.0/15"))],
    ["10.0.0.0/24", "10.1.2.0/24", "10.1.2.3/32"],
  );
});

test("an IPv6 prefix covers no IPv4 address", () => {
  const trie = trieOf("::/0", "10.0.0.0/8");
  assert.deepEqual(trie.covering(Prefix.parse("10.0.0.1/32")), ["10.0.0.0/8"]);
  assert.deepEqual([...trie.within(Prefix.parse("::/0"))], ["::/0"]);
});

test("a prefix that is taken away leaves what it covered", () => {
  const trie = trieOf("10.0.0.0/8", "10.0.0.0/16", "10.1.0.0/16");
  assert.equal(trie.delete(Prefix.parse("10.0.0.0/8")), true);
  assert.equal(trie.delete(Prefix.parse("10.0.0.0/8")), false);
  assert.equal(trie.delete(Prefix.parse("10.0.0.0/15")), false);
  assert.deepEqual([...trie.within(Prefix.parse("0.0.0.0/0"))], ["10.0.0.0/16", "10.1.0.0/16"]);
  assert.equal(trie.size, 2);
});

/** The slow, obvious twin: all prefixes in a map, looked at one by one. */
class NaiveTrie {
  readonly values = new Map<string, Prefix>();

  covering(prefix: Prefix): string[] {
    return this.#sorted((other) => other.contains(prefix));
  }

  within(prefix: Prefix): string[] {
    return this.#sorted((other) => prefix.contains(other));
  }

  #sorted(keep: (other: Prefix) => boolean): string[] {
    return [...this.values.values()]
      .filter(keep)
      .sort((a, b) => a.compare(b))
      .map(String);
  }
}

const randomPrefix = (random: Random): Prefix => {
  const [bytes, lengths] = random.chance(0.5)
    ? [
        [10, random.below(2), random.below(4) * 85, random.below(256)],
        [0, 8, 15, 16, 23, 24, 31, 32],
      ]
    : [
        [0xfd, ...Array.from({ length: 14 }, () => random.below(2) * 0x81), random.below(4)],
        [0, 7, 16, 64, 97, 126, 127, 128],
      ];
  const address = Address.fromBytes(Uint8Array.from(bytes));
  return Prefix.of(address, random.pick(lengths), { mask: true });
};

test("answers equal the naive twin's after any sequence of changes", () => {
  repeat({ runs: 200 }, (random) => {
    const trie = new PrefixTrie<string>();
    const naive = new NaiveTrie();
    for (let step = 0; step < 80; step++) {
      const prefix = randomPrefix(random);
      const text = prefix.toString();
      if (random.chance(0.6)) {
        trie.set(prefix, text);
        naive.values.set(text, prefix);
      } else assert.equal(trie.delete(prefix), naive.values.delete(text));
      const asked = randomPrefix(random);
      assert.equal(trie.size, naive.values.size);
      assert.equal(trie.get(asked) !== undefined, naive.values.has(asked.toString()));
      assert.deepEqual(trie.covering(asked), naive.covering(asked));
      assert.deepEqual([...trie.within(asked)], naive.within(asked));
    }
  });
});
