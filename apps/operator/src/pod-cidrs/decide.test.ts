import assert from "node:assert/strict";
import { test } from "node:test";
import { Prefix } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";
import {
  blocksOf,
  decidePodCidrs,
  firstFree,
  freeBlocks,
  type NodePodCidrs,
  type PodCidrPool,
} from "./decide.ts";

const pool = (maskSize: number, ...ranges: string[]): PodCidrPool => {
  const prefixes = ranges.map((range) => Prefix.parse(range));
  return { family: prefixes[0]?.family ?? 4, ranges: prefixes, maskSize };
};
const node = (name: string, podCidrs: string[] = [], createdAt = "2026-01-01T00:00:00Z") => ({
  name,
  createdAt,
  podCidrs: podCidrs.map((cidr) => Prefix.parse(cidr)),
});
const lab = [pool(24, "10.244.0.0/16"), pool(64, "fd00:10:244::/56")];
const decide = (mine: NodePodCidrs, others: NodePodCidrs[], pools = lab) => {
  const { podCidrs, error } = decidePodCidrs(mine, [mine, ...others], { pools });
  return { podCidrs: podCidrs.map(String), error };
};

test("a new node gets the first free block of each family", () => {
  const others = [node("a", ["10.244.0.0/24", "fd00:10:244::/64"]), node("b", ["10.244.2.0/24"])];
  assert.deepEqual(decide(node("c"), others), {
    podCidrs: ["10.244.1.0/24", "fd00:10:244:1::/64"],
    error: undefined,
  });
});

test("a node keeps what it has, and what it has when the ranges change", () => {
  const mine = node("a", ["10.9.0.0/25", "fd99::/64"]);
  assert.deepEqual(decide(mine, []), { podCidrs: ["10.9.0.0/25", "fd99::/64"], error: undefined });
});

test("a family that was switched on later is added to the other", () => {
  assert.deepEqual(decide(node("a", ["10.244.7.0/24"]), []).podCidrs, [
    "10.244.7.0/24",
    "fd00:10:244::/64",
  ]);
});

test("blocks of another size in the range are stepped around", () => {
  const others = [node("a", ["10.244.0.0/22"]), node("b", ["10.244.4.128/25"])];
  assert.equal(decide(node("c"), others, [pool(24, "10.244.0.0/16")]).podCidrs[0], "10.244.5.0/24");
});

test("a full range gives way to the next, and the last to an error in words", () => {
  const pools = [pool(24, "10.244.0.0/24", "10.245.0.0/24")];
  const [a, b] = [node("a", ["10.244.0.0/24"]), node("b", ["10.245.0.0/24"])];
  assert.deepEqual(decide(node("b"), [a], pools).podCidrs, ["10.245.0.0/24"]);
  assert.deepEqual(decide(node("c"), [a, b], pools), {
    podCidrs: [],
    error: "no free IPv4 block of length 24 is left in 10.244.0.0/24, 10.245.0.0/24",
  });
});

test("of two nodes with overlapping blocks the younger is told; neither loses what its pods use", () => {
  const old = node("old", ["10.244.0.0/24"], "2026-01-01T00:00:00Z");
  const young = node("young", ["10.244.0.0/23"], "2026-02-01T00:00:00Z");
  const pools = [pool(24, "10.244.0.0/16")];
  assert.deepEqual(decide(old, [young], pools), { podCidrs: ["10.244.0.0/24"], error: undefined });
  assert.deepEqual(decide(young, [old], pools), {
    podCidrs: ["10.244.0.0/23"],
    error: "pod CIDR 10.244.0.0/23 overlaps 10.244.0.0/24 of node old, which had it first",
  });
});

test("free blocks are counted in ranges of any size", () => {
  assert.equal(freeBlocks(pool(24, "10.244.0.0/16"), [Prefix.parse("10.244.0.0/22")]), 252n);
  assert.equal(blocksOf(pool(120, "fd00::/56")), 2n ** 64n);
});

/** The slow, obvious twin: looks at every block in order. */
function firstFreeByTrying(
  { ranges, maskSize }: PodCidrPool,
  taken: readonly Prefix[],
): Prefix | undefined {
  for (const range of ranges)
    for (const block of range.subnets(maskSize))
      if (!taken.some((prefix) => prefix.overlaps(block))) return block;
  return undefined;
}

test("the first free block equals the one found by trying all", () => {
  repeat({ runs: 300 }, (random) => {
    const small = pool(28, ...random.pick([["10.0.0.0/25"], ["10.0.0.0/26", "10.0.1.0/27"]]));
    const taken = Array.from({ length: random.below(14) }, () => {
      const length = random.pick([26, 27, 28, 29, 32]);
      return Prefix.of(Prefix.parse("10.0.0.0/23").nth(random.below(512)), length, { mask: true });
    });
    assert.equal(
      firstFree(small, taken)?.toString(),
      firstFreeByTrying(small, taken)?.toString(),
      `taken: ${taken.join(" ")}`,
    );
  });
});

test("however nodes come and go, and the operator forgets, no two have overlapping blocks", () => {
  repeat({ runs: 15 }, (random) => {
    const pools = [pool(28, "10.0.0.0/24"), pool(124, "fd00::/120")];
    // What CiliumNodes say: all that an operator knows after a restart.
    const nodes = new Map<string, NodePodCidrs>();
    for (let step = 0; step < 60; step++) {
      const name = `node-${random.below(24)}`;
      if (random.chance(0.3)) {
        nodes.delete(name);
        continue;
      }
      const mine = nodes.get(name) ?? node(name);
      const { podCidrs, error } = decidePodCidrs(mine, nodes.values(), { pools });
      if (mine.podCidrs.length > 0) assert.deepEqual(podCidrs, mine.podCidrs);
      assert.equal(error !== undefined, podCidrs.length < 2);
      if (podCidrs.length === 2) nodes.set(name, { ...mine, podCidrs });
      const all = [...nodes.values()].flatMap((each) => each.podCidrs);
      for (const [index, one] of all.entries())
        for (const other of all.slice(index + 1))
          assert.ok(!one.overlaps(other), `${one} overlaps ${other}`);
    }
  });
});
