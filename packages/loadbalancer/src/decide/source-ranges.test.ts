// Ranges that are let in, and all but them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Address, Prefix } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";
import { allowedRanges, rangesBut } from "./source-ranges.ts";

const prefixes = (...texts: string[]) => texts.map((text) => Prefix.parse(text));

test("what is inside another range is left out", () => {
  assert.equal(
    allowedRanges(
      prefixes("10.1.0.0/16", "10.0.0.0/8", "10.1.0.0/16", "11.0.0.0/8", "::/0"),
      4,
    ).join(),
    "10.0.0.0/8,11.0.0.0/8",
  );
});

test("all but nothing is everything, all but everything nothing", () => {
  assert.equal(rangesBut([], 6).join(), "::/0");
  assert.equal(rangesBut(prefixes("0.0.0.0/0", "10.0.0.0/8"), 4).join(), "");
  assert.equal(rangesBut(prefixes("2001:db8::1/128"), 6).length, 128);
});

test("any address is either in a range or in what is left", () => {
  repeat({ runs: 50 }, (random) => {
    const denied = Array.from({ length: random.below(6) }, () =>
      Prefix.of(Address.fromBytes(random.bytes(4)), random.below(33), { mask: true }),
    );
    const left = rangesBut(denied, 4);
    for (let probe = 0; probe < 40; probe++) {
      const near = denied[random.below(denied.length + 1)];
      const address = near && random.chance(0.7) ? near.first : Address.fromBytes(random.bytes(4));
      const isDenied = denied.some((prefix) => prefix.contains(address));
      assert.equal(left.filter((prefix) => prefix.contains(address)).length, isDenied ? 0 : 1);
    }
  });
});
