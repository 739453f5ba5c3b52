import assert from "node:assert/strict";
import { test } from "node:test";
import { newTaker, type Taker, Turns } from "./turns.ts";

const countOf = (turns: Turns, client: Taker, nowMs: number) =>
  Array.from({ length: 50 }, () => turns.take(client, nowMs)).filter(Boolean).length;

test("a client that was sent large answers has fewer turns beside others, for some time", () => {
  const turns = new Turns(100);
  const [large, other] = [newTaker("10.0.0.1"), newTaker("10.0.0.2")];
  const both = (nowMs: number) => {
    turns.take(other, nowMs);
    return countOf(turns, large, nowMs);
  };
  countOf(turns, large, 0);
  assert.equal(both(100), 10);
  turns.charge(large, 1_000);
  assert.equal(both(200), 10);
  turns.charge(large, 17 * 1_024);
  assert.deepEqual([both(300), both(400), both(500)], [0, 3, 10]);
  assert.equal(countOf(turns, other, 500), 9);
  // However much it was: two seconds.
  for (let answer = 0; answer < 100; answer++) turns.charge(large, 65_000);
  assert.equal(both(2_500), 0);
  for (let nowMs = 2_600; nowMs < 4_500; nowMs += 100) both(nowMs);
  assert.equal(both(4_500), 10);
});

test("a client that asks alone has every turn, whatever it was sent", () => {
  const turns = new Turns(100);
  const alone = newTaker("10.0.0.1");
  turns.take(alone, 0);
  turns.charge(alone, 65_000);
  assert.equal(countOf(turns, alone, 5_000), 50);
});
