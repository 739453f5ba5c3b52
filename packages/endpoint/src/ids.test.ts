import assert from "node:assert/strict";
import { test } from "node:test";
import { EndpointIds } from "./ids.ts";

test("a freed ID is handed out again only after all others", () => {
  const ids = new EndpointIds(0);
  const first = ids.allocate();
  ids.release(first);
  const others = Array.from({ length: 65534 }, () => ids.allocate());
  assert.equal(first, 1);
  assert.ok(!others.includes(first));
  assert.equal(ids.allocate(), first);
});

test("IDs wrap around from 65535 to 1 and never reach 0", () => {
  const ids = new EndpointIds(65534);
  assert.deepEqual([ids.allocate(), ids.allocate()], [65535, 1]);
});

test("the 65536th endpoint is refused", () => {
  const ids = new EndpointIds(0);
  for (let count = 0; count < 65535; count++) ids.allocate();
  assert.throws(() => ids.allocate(), { code: "id_exhausted" });
});

test("a restored ID is not handed out, and cannot be restored twice", () => {
  const ids = new EndpointIds(6);
  ids.take(7);
  assert.equal(ids.allocate(), 8);
  for (const id of [7, 0, 65536, 1.5]) assert.throws(() => ids.take(id), { code: "id_in_use" });
});
