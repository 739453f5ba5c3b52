import assert from "node:assert/strict";
import { test } from "node:test";
import { NumberBag } from "./number-bag.ts";

test("a bag holds what was put into it and not taken out", () => {
  const bag = new NumberBag();
  const twin = new Set<number>();
  for (let number = 0; number < 50; number++) {
    bag.add(number * 7);
    twin.add(number * 7);
  }
  for (const number of [0, 343, 70, 5]) {
    assert.equal(bag.delete(number), twin.delete(number));
    assert.equal(bag.has(number), false);
  }
  assert.equal(bag.size, twin.size);
  assert.deepEqual(
    [...bag].toSorted((a, b) => a - b),
    [...twin].toSorted((a, b) => a - b),
  );
});

test("a number that was taken out is not found where others have moved", () => {
  const bag = new NumberBag();
  bag.add(1);
  bag.add(2);
  bag.delete(2);
  assert.deepEqual([bag.has(2), bag.delete(2), bag.size], [false, false, 1]);
});
