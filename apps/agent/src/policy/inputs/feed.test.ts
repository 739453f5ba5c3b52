import assert from "node:assert/strict";
import { test } from "node:test";
import { Feed } from "./feed.ts";
import type { PolicyBatch, PolicyInput } from "./model.ts";

const identity = (id: number, label: string): PolicyInput => ({
  kind: "identity",
  id,
  labels: [label],
  namedPorts: [],
});
const show = (batch: PolicyBatch) =>
  batch
    .map((input) =>
      `${input.kind} ${"id" in input ? input.id : ""} ${"labels" in input ? input.labels : ""}`.trim(),
    )
    .join(", ");

function listen(feed: Feed, state: PolicyInput[] = []) {
  const batches: string[] = [];
  const subscription = feed.subscribe((batch) => void batches.push(show(batch)), state);
  return { batches, subscription };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("what is said in one turn goes out as one batch, the last word on each thing once and in order", async () => {
  const feed = new Feed();
  const { batches } = listen(feed);
  feed.say(identity(1, "a"));
  feed.say(identity(2, "b"));
  feed.say(identity(1, "c"));
  feed.say({ kind: "identity-gone", id: 2 });
  assert.deepEqual(batches, []);
  await turn();
  assert.deepEqual(batches, ["identity 1 c, identity-gone 2"]);
  feed.say(identity(3, "d"));
  await turn();
  assert.deepEqual(batches.slice(1), ["identity 3 d"]);
});

test("who listens later hears first what holds then, and nothing of before", async () => {
  const feed = new Feed();
  const first = listen(feed);
  feed.say(identity(1, "old"));
  const second = listen(feed, [identity(1, "new")]);
  feed.say(identity(2, "b"));
  await turn();
  assert.deepEqual(first.batches, ["identity 1 old, identity 2 b"]);
  assert.deepEqual(second.batches, ["identity 1 new, identity 2 b"]);
});

test("a flush hands out at once, and nothing twice", async () => {
  const feed = new Feed();
  const { batches, subscription } = listen(feed);
  feed.say(identity(1, "a"));
  feed.flush();
  assert.deepEqual(batches, ["identity 1 a"]);
  feed.say(identity(2, "b"));
  subscription[Symbol.dispose]();
  await turn();
  assert.deepEqual(batches, ["identity 1 a"]);
});

test("#34512: a number that is given up and goes to other labels in one turn has the new ones", async () => {
  const feed = new Feed();
  const { batches } = listen(feed, [identity(300, "k8s:app=old")]);
  await turn();
  feed.say({ kind: "identity-gone", id: 300 });
  feed.say(identity(300, "k8s:app=new"));
  await turn();
  assert.deepEqual(batches, ["identity 300 k8s:app=old", "identity 300 k8s:app=new"]);
});
