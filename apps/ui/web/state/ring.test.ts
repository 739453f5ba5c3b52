import assert from "node:assert/strict";
import { test } from "node:test";
import { Ring } from "./ring.ts";

const all = (ring: Ring<number>) => Array.from({ length: ring.length }, (_, at) => ring.at(at));

test("a ring keeps the newest, and older ones only where there is room", () => {
  const ring = new Ring<number>(4);
  for (const item of [1, 2, 3]) ring.addNewest(item);
  assert.deepEqual(all(ring), [3, 2, 1]);
  assert.equal(ring.addOldest(0), true);
  assert.equal(ring.addOldest(-1), false);
  assert.deepEqual(all(ring), [3, 2, 1, 0]);
  ring.addNewest(4);
  ring.addNewest(5);
  assert.deepEqual(all(ring), [5, 4, 3, 2]);
  assert.equal(ring.at(4), undefined);
  assert.equal(ring.at(-1), undefined);
  ring.clear();
  assert.deepEqual(all(ring), []);
});

test("a ring is what a plain list would be, whatever is done to it", () => {
  const ring = new Ring<number>(7);
  let list: number[] = [];
  let seed = 42;
  for (let step = 0; step < 5_000; step++) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    if (seed % 3 === 0) {
      if (ring.addOldest(step)) list.push(step);
      else assert.equal(list.length, 7);
    } else {
      ring.addNewest(step);
      list = [step, ...list].slice(0, 7);
    }
    assert.deepEqual(all(ring), list);
  }
});
