import assert from "node:assert/strict";
import { test } from "node:test";
import { SlotNumbers } from "./slot-numbers.ts";

test("numbers keep clear of those in use and of the two that have a meaning", () => {
  const numbers = new SlotNumbers([2, 3]);
  assert.deepEqual([numbers.take(), numbers.take()], [4, 5]);
});

test("a number that was given back is not the next to be given out", () => {
  const numbers = new SlotNumbers([]);
  const number = numbers.take();
  numbers.release(number);
  assert.notEqual(numbers.take(), number);
});

test("when all are in use that is said, and one given back is found", () => {
  const numbers = new SlotNumbers(Array.from({ length: 65_533 }, (_, index) => index + 2));
  assert.equal(numbers.take(), 65_535);
  assert.throws(() => numbers.take(), /all 65534 policy slots are in use/);
  numbers.release(77);
  assert.equal(numbers.take(), 77);
});
