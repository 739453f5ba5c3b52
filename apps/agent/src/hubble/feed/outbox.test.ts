import assert from "node:assert/strict";
import { test } from "node:test";
import type { FeedItem } from "./model.ts";
import { Outbox } from "./outbox.ts";

const identity = (id: number, label: string): FeedItem => ({
  kind: "identity",
  id,
  labels: [label],
});
const show = (items: readonly FeedItem[]) =>
  items.map((item) => (item.kind === "identity" ? `${item.id}=${item.labels}` : item.kind));

function listen(state: FeedItem[] = []) {
  const batches: string[][] = [];
  const outbox = new Outbox(state.values(), (items) => void batches.push(show(items)));
  return { batches, outbox };
}
const turn = () => new Promise((resolve) => setImmediate(resolve));

test("the state goes first, and what changed meanwhile follows", async () => {
  const { batches, outbox } = listen([identity(1, "old"), identity(2, "b")]);
  outbox.say(identity(1, "new"));
  await turn();
  await turn();
  assert.deepEqual(batches, [["1=old", "2=b"], ["1=new"]]);
});

test("what is said in one turn goes out together, the last word on each thing once", async () => {
  const { batches, outbox } = listen();
  await turn();
  outbox.say(identity(1, "a"));
  outbox.say(identity(2, "b"));
  outbox.say({ kind: "identity-gone", id: 1 });
  await turn();
  assert.deepEqual(batches, [["2=b", "identity-gone"]]);
});

test("a large state goes out in pieces, with turns of others between", async () => {
  const state = Array.from({ length: 2_500 }, (_, id) => identity(id, "a"));
  const { batches } = listen(state);
  await turn();
  assert.equal(batches.length, 1);
  await turn();
  await turn();
  assert.deepEqual(
    batches.map((batch) => batch.length),
    [1_000, 1_000, 500],
  );
});

test("nothing goes out once it is disposed", async () => {
  const { batches, outbox } = listen([identity(1, "a")]);
  outbox.say(identity(2, "b"));
  outbox[Symbol.dispose]();
  await turn();
  assert.deepEqual(batches, []);
});
