import assert from "node:assert/strict";
import { test } from "node:test";
import type { RuleName } from "../model.ts";
import { SlotError } from "./errors.ts";
import { RuleLease, RuleNumbers } from "./rule-numbers.ts";
import { SlotNumbers } from "./slot-numbers.ts";

const rule = (path: string): RuleName => ({
  kind: "rule",
  ref: { kind: "NetworkPolicy", namespace: "a", name: "b" },
  path,
});

test("the same name has the same number, as long as it is used and for a while after", () => {
  const numbers = new RuleNumbers(7);
  const first = numbers.acquire(rule("x"));
  assert.deepEqual([first, numbers.acquire(rule("y")), numbers.acquire(rule("x"))], [7, 8, 7]);
  numbers.release(first);
  numbers.release(first);
  assert.deepEqual(numbers.name(first), rule("x"));
  assert.equal(numbers.acquire(rule("x")), first);
});

test("the names of the last 4096 rules that went are remembered, and no number is given twice", () => {
  const numbers = new RuleNumbers(1);
  const kept = numbers.acquire(rule("kept"));
  for (let index = 0; index < 4097; index++)
    numbers.release(numbers.acquire(rule(`gone ${index}`)));
  assert.deepEqual(numbers.name(kept), rule("kept"));
  assert.equal(numbers.name(2), undefined);
  assert.deepEqual(numbers.name(3), rule("gone 1"));
  assert.equal(numbers.acquire(rule("gone 0")), 4099);
});

test("a rule that went and came back is not forgotten with those that stayed away", () => {
  const numbers = new RuleNumbers(1);
  numbers.release(numbers.acquire(rule("back")));
  const back = numbers.acquire(rule("back"));
  for (let index = 0; index < 4097; index++)
    numbers.release(numbers.acquire(rule(`gone ${index}`)));
  assert.deepEqual(numbers.name(back), rule("back"));
});

test("a lease holds each of its numbers once, and lets go of all of them", () => {
  const numbers = new RuleNumbers(1);
  {
    using lease = new RuleLease(numbers);
    assert.deepEqual([lease.of(rule("x")), lease.of(rule("x"))], [1, 1]);
  }
  for (let index = 0; index < 4097; index++)
    numbers.release(numbers.acquire(rule(`gone ${index}`)));
  assert.equal(numbers.name(1), undefined);
});

test("a slot number is used again only after it settled, and only when no newer one is left", () => {
  const numbers = new SlotNumbers(65_533);
  assert.deepEqual([numbers.take(), numbers.take(), numbers.take()], [65_533, 65_534, 65_535]);
  numbers.release(65_534);
  numbers.release(65_533);
  assert.throws(
    () => numbers.take(),
    (error) => error instanceof SlotError && error.code === "no_slot_left",
  );
  numbers.settle();
  assert.deepEqual([numbers.take(), numbers.take()], [65_534, 65_533]);
});
