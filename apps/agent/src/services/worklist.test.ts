import assert from "node:assert/strict";
import { test } from "node:test";
import { type StaleKey, Worklist } from "./worklist.ts";

const patience = () => AbortSignal.timeout(1000);

async function isPending(promise: Promise<void>): Promise<boolean> {
  let pending = true;
  void promise.then(() => (pending = false));
  await new Promise((resolve) => setImmediate(resolve));
  return pending;
}

test("keys come in the order in which they became stale, each once", () => {
  const list = new Worklist();
  for (const key of ["a", "b", "a", "c"]) list.mark(key);
  const taken = [list.take(), list.take(), list.take(), list.take()];
  assert.deepEqual(
    taken.map((found) => found?.key),
    ["a", "b", "c", undefined],
  );
});

test("who waits goes on when what was stale at the time is done, whatever became stale since", async () => {
  const list = new Worklist();
  await list.settled(patience());
  list.mark("a");
  const waiting = list.settled(patience());
  list.mark("b");
  const a = list.take() as StaleKey;
  list.release();
  assert.ok(await isPending(waiting));
  list.done(a);
  list.mark("a");
  list.release();
  await waiting;
  assert.equal(list.staleSize, 2);
});

test("a key that becomes stale again before it is done is waited for as long as the first time", async () => {
  const list = new Worklist();
  list.mark("a");
  list.take();
  const waiting = list.settled(patience());
  list.mark("a");
  const again = list.take() as StaleKey;
  assert.deepEqual([again.sequence, list.owedSize], [1, 1]);
  assert.ok(await isPending(waiting));
  list.done(again);
  list.release();
  await waiting;
});

test("what is owed comes again behind the rest", () => {
  const list = new Worklist();
  list.mark("refused");
  list.take();
  list.mark("fresh");
  list.markOwed();
  assert.deepEqual([list.take()?.key, list.take()?.key], ["fresh", "refused"]);
});

test("who waits too long hears why it ended", async () => {
  const list = new Worklist();
  list.mark("a");
  await assert.rejects(list.settled(AbortSignal.timeout(5)), { name: "TimeoutError" });
  list.release();
});
