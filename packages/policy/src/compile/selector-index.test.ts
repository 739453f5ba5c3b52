import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@tsilium/net";
import { type Random, repeat } from "@tsilium/testkit";
import type { Requirement } from "../model.ts";
import { SelectorIndex } from "./selector-index.ts";
import { keyed, selects } from "./selectors.ts";
import { labels, selector } from "./testing/build.ts";

const sources = ["k8s", "reserved", "any"];
const keys = ["app", "env", "io.kubernetes.pod.namespace"];
const values = ["a", "b", "c"];

function someLabels(random: Random): Labels {
  return Labels.of(
    Array.from({ length: random.below(4) }, () => ({
      source: random.pick(["k8s", "reserved"]),
      key: random.pick(keys),
      value: random.pick(values),
    })),
  );
}

function someRequirement(random: Random): Requirement {
  const operator = random.pick(["In", "NotIn", "Exists", "DoesNotExist"] as const);
  const wanted = operator.endsWith("In") ? values.filter(() => random.chance(0.4)) : [];
  return { source: random.pick(sources), key: random.pick(keys), operator, values: wanted };
}

test("matches are those of looking at every item, whatever comes and goes in whatever order", () => {
  repeat({ runs: 60 }, (random) => {
    const index = new SelectorIndex<number>();
    const items = new Map<number, Labels>();
    const selectors = new Map<number, ReturnType<typeof keyed>>();
    for (let step = 0; step < 60; step++) {
      const id = random.below(12);
      if (random.chance(0.6)) {
        items.set(id, someLabels(random));
        index.set(id, items.get(id) as Labels);
      } else {
        items.delete(id);
        index.delete(id);
      }
      const user = random.below(6);
      const old = selectors.get(user);
      if (old) index.release(old.key, user);
      const made = keyed(Array.from({ length: random.below(3) }, () => someRequirement(random)));
      selectors.set(user, made);
      index.acquire(made, user);
      for (const one of selectors.values()) {
        const expected = [...items]
          .filter(([, own]) => selects(one.selector, own))
          .map(([found]) => found);
        assert.deepEqual([...index.find(one)].sort(), expected.sort(), one.key);
      }
      const own = someLabels(random);
      const expected = [...selectors.values()].filter((one) => selects(one.selector, own));
      assert.deepEqual(
        [...index.matching(own)].map(({ key }) => key).sort(),
        [...new Set(expected.map(({ key }) => key))].sort(),
      );
    }
  });
});

test("a selector lasts as long as its last user", () => {
  const index = new SelectorIndex<string>();
  const web = keyed(selector("app=web"));
  index.set(1, labels("app=web"));
  const first = index.acquire(web, "a");
  assert.equal(index.acquire(web, "b"), first);
  index.release(web.key, "a");
  assert.deepEqual([...index.matching(labels("app=web"))], [first]);
  index.release(web.key, "b");
  assert.deepEqual([...index.matching(labels("app=web"))], []);
});

test("selectors that say the same in another order are one", () => {
  assert.equal(keyed(selector("a=x|y", "b")).key, keyed(selector("b", "a=y|x")).key);
  assert.notEqual(keyed(selector("a=x")).key, keyed(selector("a!=x")).key);
  assert.notEqual(keyed(selector("a")).key, keyed(selector("!a")).key);
  assert.notEqual(keyed(selector("k8s:a=x")).key, keyed(selector("any:a=x")).key);
});
