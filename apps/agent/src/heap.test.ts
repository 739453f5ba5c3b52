import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { collectGarbage } from "./heap.ts";

test("what nobody refers to is gone, what somebody does is not", async () => {
  const kept = { text: "kept" };
  const garbage = new WeakRef({ text: "garbage" });
  const stays = new WeakRef(kept);
  // A reference that was made or read in this turn holds until its end.
  await setImmediate();
  collectGarbage();
  assert.equal(garbage.deref(), undefined);
  assert.equal(stays.deref(), kept);
});
