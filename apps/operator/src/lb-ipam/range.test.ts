// Interval arithmetic.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";
import {
  type IpRange,
  intersection,
  merged,
  prefixesOf,
  rangeOf,
  rangeText,
  sizeOf,
} from "./range.ts";

const run = (first: string, last: string): IpRange => {
  const [a, b] = [Address.parse(first), Address.parse(last)];
  return { family: a.family, first: a.toBigInt(), last: b.toBigInt() };
};

test("a prefix is a run, of any size", () => {
  assert.equal(rangeText(rangeOf(Prefix.parse("10.0.0.8/30"))), "10.0.0.8 - 10.0.0.11");
  assert.equal(sizeOf(rangeOf(Prefix.parse("::/0"))), 1n << 128n);
  assert.equal(sizeOf(rangeOf(Prefix.parse("2001:db8::/64"))), 1n << 64n);
});

test("runs of two families have nothing in common", () => {
  assert.equal(intersection(run("0.0.0.0", "255.255.255.255"), run("::", "::ffff")), undefined);
});

/** first, last, prefixes */
const covers: readonly (readonly [string, string, string])[] = [
  ["10.0.0.0", "10.0.0.255", "10.0.0.0/24"],
  ["10.0.0.1", "10.0.0.6", "10.0.0.1/32 10.0.0.2/31 10.0.0.4/31 10.0.0.6/32"],
  ["0.0.0.0", "255.255.255.255", "0.0.0.0/0"],
  ["::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::/0"],
  ["fd00::ffff", "fd00::1:0", "fd00::ffff/128 fd00::1:0/128"],
];
for (const [first, last, expected] of covers)
  test(`${first} - ${last} is ${expected}`, () => {
    assert.equal(prefixesOf(run(first, last)).join(" "), expected);
  });

test("merged runs, intersections and prefixes hold what a bitmap holds", () => {
  repeat({ runs: 200 }, (random) => {
    const some = (): IpRange => {
      const [a, b] = [BigInt(random.below(64)), BigInt(random.below(64))];
      return { family: 4, first: a < b ? a : b, last: a < b ? b : a };
    };
    const ranges = Array.from({ length: random.below(6) }, some);
    const bits = (list: readonly IpRange[]) =>
      Array.from({ length: 64 }, (_, at) =>
        list.some(({ first, last }) => BigInt(at) >= first && BigInt(at) <= last) ? "1" : "0",
      ).join("");
    const runs = merged(ranges);
    assert.equal(bits(runs), bits(ranges));
    for (const [at, each] of runs.entries())
      assert.ok(at === 0 || each.first > (runs[at - 1] as IpRange).last + 1n, "a gap between runs");
    const window = some();
    const both = bits(ranges.flatMap((range) => intersection(range, window) ?? []));
    const expected = [...bits(ranges)].map((bit, at) => (bits([window])[at] === "1" ? bit : "0"));
    assert.equal(both, expected.join(""));
    assert.equal(bits(ranges.flatMap(prefixesOf).map(rangeOf)), bits(ranges));
  });
});
