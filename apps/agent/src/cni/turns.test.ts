import assert from "node:assert/strict";
import { test } from "node:test";
import { Turns } from "./turns.ts";

test("work of one key runs one after the other, of different keys side by side", async () => {
  const turns = new Turns();
  const events: string[] = [];
  const work = (name: string) => async () => {
    events.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    events.push(`${name} ends`);
  };
  await Promise.all([
    turns.take("a", work("a1")),
    turns.take("a", work("a2")),
    turns.take("b", work("b1")),
  ]);
  const ofKey = (key: string) => events.filter((event) => event.startsWith(key));
  assert.deepEqual(ofKey("a"), ["a1 begins", "a1 ends", "a2 begins", "a2 ends"]);
  assert.deepEqual(events.slice(0, 2), ["a1 begins", "b1 begins"]);
  assert.equal(turns.size, 0);
});

test("work that fails fails alone, and the next has its turn", async () => {
  const turns = new Turns();
  const failing = turns.take("a", () => Promise.reject(new Error("no")));
  const following = turns.take("a", () => Promise.resolve("yes"));
  await assert.rejects(failing, /no/);
  assert.equal(await following, "yes");
  assert.equal(turns.size, 0);
});
