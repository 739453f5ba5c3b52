import assert from "node:assert/strict";
import { test } from "node:test";
import { EarlyMoves } from "./early-moves.ts";

test("what comes where a move came before it is reset: once, for a while, and unless it was moved back", () => {
  const moves = new EarlyMoves();
  moves.note("a", 0);
  moves.note("b", 0);
  moves.note("c", 5_000);
  assert.deepEqual([moves.take("a", 9_000), moves.take("a", 9_000)], [true, false]);
  assert.equal(moves.take("b", 10_000), false);
  assert.equal(moves.take("c", 14_000), true);
  moves.note("d", 20_000);
  moves.forget("d");
  assert.equal(moves.take("d", 20_000), false);
});

test("the oldest of too many are forgotten", () => {
  const moves = new EarlyMoves();
  for (let at = 0; at <= 10_000; at++) moves.note(`${at}`, 0);
  assert.deepEqual(
    ["0", "1", "10000"].map((ends) => moves.take(ends, 1)),
    [false, true, true],
  );
});
