import assert from "node:assert/strict";
import { test } from "node:test";
import { applyCopy, isIdentity, layoutHash, planCopy } from "./layout.ts";
import type { MapLayout, RecordLayout } from "./layout.ts";

const record = (size: number, ...leaves: [string, number, number][]): RecordLayout => ({
  size,
  leaves: leaves.map(([path, offset, leafSize]) => ({ path, offset, size: leafSize })),
});

const conntrack: MapLayout = {
  type: "lru_hash",
  maxEntries: 1024,
  flags: 0,
  key: record(8, ["address", 0, 4], ["port", 4, 2], ["padding", 6, 2]),
  value: record(16, ["deadline", 0, 8], ["packets", 8, 8]),
};

test("the same layout has the same hash, and any change a different one", () => {
  const hash = layoutHash(conntrack);
  assert.match(hash, /^[0-9a-f]{8}$/);
  assert.equal(layoutHash(structuredClone(conntrack)), hash);
  const changes: Partial<MapLayout>[] = [
    { type: "hash" },
    { maxEntries: 2048 },
    { flags: 1 },
    { key: record(8, ["address", 0, 4], ["port", 6, 2], ["padding", 4, 2]) },
    { value: record(16, ["deadline", 0, 8], ["bytes", 8, 8]) },
  ];
  const inner = { type: "array", maxEntries: 251, flags: 0, keySize: 4, valueSize: 4 };
  changes.push({ inner }, { inner: { ...inner, maxEntries: 509 } });
  const hashes = changes.map((change) => layoutHash({ ...conntrack, ...change }));
  assert.equal(new Set(hashes).size, changes.length);
  for (const change of changes) assert.notEqual(layoutHash({ ...conntrack, ...change }), hash);
});

test("fields move by name to their new place and width, new ones are zero, old ones are dropped", () => {
  const from = record(8, ["port", 0, 2], ["flags", 2, 1], ["gone", 3, 1], ["packets", 4, 4]);
  const to = record(16, ["packets", 0, 8], ["epoch", 8, 4], ["port", 12, 2], ["flags", 14, 2]);
  const plan = planCopy(from, to);
  assert.ok(plan);
  const moved = applyCopy(plan, Uint8Array.of(0x1f, 0x90, 7, 99, 1, 2, 3, 4));
  assert.deepEqual([...moved], [1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0x1f, 0x90, 7, 0]);
});

test("records of unknown fields move whole if their sizes agree, else not at all", () => {
  const plan = planCopy(record(4), record(4, ["a", 0, 4]));
  assert.ok(plan);
  assert.deepEqual([...applyCopy(plan, Uint8Array.of(1, 2, 3, 4))], [1, 2, 3, 4]);
  assert.equal(planCopy(record(4), record(8)), undefined);
});

test("records that share no field cannot be copied", () => {
  assert.equal(planCopy(record(4, ["a", 0, 4]), record(4, ["b", 0, 4])), undefined);
});

test("a plan that changes nothing is known as one, and any other is not", () => {
  const from = record(8, ["a", 0, 4], ["b", 4, 4]);
  const isSame = (to: RecordLayout): boolean => {
    const plan = planCopy(from, to);
    assert.ok(plan);
    return isIdentity(plan, from.size);
  };
  assert.equal(isSame(from), true);
  assert.equal(isSame(record(8, ["b", 0, 4], ["a", 4, 4])), false, "fields change places");
  assert.equal(isSame(record(12, ["a", 0, 4], ["b", 4, 4], ["c", 8, 4])), false, "a new field");
  assert.equal(isSame(record(4, ["a", 0, 4])), false, "one that is gone");
});
