import assert from "node:assert/strict";
import { test } from "node:test";
import { compileDnsPattern } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";
import type { FqdnSelector } from "./model.ts";
import { selectorKey, SelectorIndex, selectorRegex } from "./selector-index.ts";

const keys = (selectors: readonly FqdnSelector[], name: string) =>
  new SelectorIndex(selectors).match(name).join(" ");

test("a name finds the exact name and every pattern that matches, each once", () => {
  const selectors = [
    { matchName: "API.shop.example." },
    { matchPattern: "*.shop.example" },
    { matchPattern: "**.example" },
    { matchPattern: "api-*.shop.example" },
    { matchPattern: "*" },
    { matchPattern: "*.SHOP.example" },
    { matchName: "api.shop.example" },
  ];
  assert.equal(keys(selectors, "api.shop.example"), "* **.example *.shop.example api.shop.example");
  assert.equal(keys(selectors, "shop.example"), "* **.example");
  assert.equal(keys(selectors, "example"), "*");
  assert.equal(new SelectorIndex(selectors).keys.length, 5);
});

test("a selector with a name and a pattern is two, one with neither is none", () => {
  const selectors = [{ matchName: "a.test", matchPattern: "*.b.test" }, {}, { matchName: "." }];
  assert.deepEqual(new SelectorIndex(selectors).keys, ["*.b.test", "a.test"]);
});

test("the index finds what trying every selector finds", () => {
  repeat({ runs: 300 }, (random) => {
    const label = () => random.pick(["a", "b", "ab", "*", "a*", "*b", "x-y", "_sip"]);
    const labels = (most: number) => Array.from({ length: 1 + random.below(most) }, label);
    const selectors = Array.from({ length: random.below(12) }, (): FqdnSelector => {
      const pattern = random.pick(["", "", "**."]) + labels(3).join(".");
      return pattern.includes("*") ? { matchPattern: pattern } : { matchName: pattern };
    });
    const index = new SelectorIndex(selectors);
    for (let count = 0; count < 20; count++) {
      const name = labels(4).join(".").replaceAll("*", "z");
      const found = selectors
        .filter((selector) => compileDnsPattern(selector)(name))
        .map(selectorKey);
      assert.deepEqual(index.match(name), [...new Set(found)].sort(), name);
    }
  });
});

test("the regular expression shown for a selector matches what the selector matches", () => {
  for (const key of ["*", "a.test", "*.a.test", "**.a.test", "b*c.a.test"]) {
    const matches = compileDnsPattern(
      key.includes("*") ? { matchPattern: key } : { matchName: key },
    );
    const shown = new RegExp(selectorRegex(key));
    for (const name of ["a.test", "x.a.test", "x.y.a.test", "b1c.a.test", "bc.a.test", "test"])
      assert.equal(shown.test(`${name}.`), matches(name), `${key} ${name}`);
  }
});
