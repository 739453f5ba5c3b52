import assert from "node:assert/strict";
import { test } from "node:test";
import { DnsNames } from "./names.ts";

test("an address has so many names and no more, however many answers give it one", () => {
  const names = new DnsNames();
  for (let number = 0; number < 10_000; number++)
    names.learn(7, "203.0.113.66", `n${number}.attacker.test.`, 2 ** 31, 0n);
  const known = names.of(7, "203.0.113.66");
  assert.equal(known.length, 32);
  assert.ok(known.includes("n0.attacker.test"));
  // When they are over others take their places.
  const later = 2n ** 31n * 1_000_000_000n + 1n;
  names.learn(7, "203.0.113.66", "other.test", 60, later);
  assert.deepEqual(names.of(7, "203.0.113.66"), ["other.test"]);
});
