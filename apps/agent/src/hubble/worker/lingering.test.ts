import assert from "node:assert/strict";
import { test } from "node:test";
import type { FeedItem } from "../feed/model.ts";
import { Lingering } from "./lingering.ts";

const gone = (id: number): FeedItem => ({ kind: "identity-gone", id });
const there = (id: number): FeedItem => ({ kind: "identity", id, labels: [] });

test("what is gone is known for two seconds more", () => {
  const lingering = new Lingering();
  assert.equal(lingering.take(there(1), 0), true);
  assert.equal(lingering.take(gone(1), 10), false);
  assert.equal(lingering.take(gone(2), 500), false);
  assert.deepEqual([...lingering.due(2_009)], []);
  assert.deepEqual([...lingering.due(2_010)], [gone(1)]);
  assert.deepEqual([...lingering.due(9_999)], [gone(2)]);
  assert.deepEqual([...lingering.due(9_999)], []);
});

test("a name or number that is given again meanwhile stays the new one's", () => {
  const lingering = new Lingering();
  lingering.take(gone(1), 0);
  assert.equal(lingering.take(there(1), 5), true);
  assert.deepEqual([...lingering.due(9_999)], []);
});
