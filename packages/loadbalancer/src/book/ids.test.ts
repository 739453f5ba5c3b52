// Numbers of rows: each once at a time, and none again soon.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ids } from "./ids.ts";

test("numbers go round, past those that are used", () => {
  const ids = new Ids({ last: 5 });
  assert.deepEqual(
    [ids.take(2), ids.take(2), ids.take(0), ids.take(6)],
    [true, false, false, false],
  );
  assert.deepEqual([ids.allocate(), ids.allocate(), ids.allocate()], [3, 4, 5]);
  ids.free(3);
  assert.deepEqual([ids.allocate(), ids.allocate(), ids.allocate()], [1, 3, undefined]);
  ids.free(5);
  assert.equal(ids.allocate(), 5);
});

test("an agent that takes over goes on after the highest", () => {
  const ids = new Ids({ last: 9 });
  for (const id of [7, 3]) ids.take(id);
  assert.deepEqual([ids.allocate(), ids.allocate(), ids.allocate()], [8, 9, 1]);
});
