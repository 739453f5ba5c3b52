import assert from "node:assert/strict";
import { test } from "node:test";
import { flowUuid, newStoreId, parseFlowUuid, storeIdOf } from "./uuid.ts";

test("a flow's UUID is one of RFC 9562, and says store and sequence", () => {
  const storeId = newStoreId();
  for (const sequence of [0, 1, 0xabc, 2 ** 48 - 1]) {
    const uuid = flowUuid(storeId, sequence);
    assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.deepEqual(parseFlowUuid(uuid), { storeId, sequence });
    for (const likely of [storeId, newStoreId(), "none"])
      assert.equal(storeIdOf(uuid, sequence, likely), storeId);
    assert.equal(storeIdOf(uuid, sequence + 1, storeId), undefined);
  }
});

test("other texts are no UUID of ours", () => {
  const uuid = flowUuid("01234567-89ab-8def-8123-", 7);
  assert.equal(uuid, "01234567-89ab-8def-8123-000000000007");
  const others = [
    "",
    "7",
    uuid.toUpperCase(),
    uuid.replace("-8def", "-4def"),
    uuid.replace("-8123", "-c123"),
    `${uuid}0`,
    uuid.replace("07", "0g"),
    uuid.replace("07", "0:"),
  ];
  for (const text of others) {
    assert.equal(parseFlowUuid(text), undefined, text);
    assert.equal(storeIdOf(text, 7, "none"), undefined, text);
  }
});

test("every run has an id of its own", () => {
  assert.equal(new Set(Array.from({ length: 1000 }, newStoreId)).size, 1000);
});
