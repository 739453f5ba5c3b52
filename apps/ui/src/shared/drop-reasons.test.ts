import assert from "node:assert/strict";
import { test } from "node:test";
import { DropReason } from "@tsilium/hubble/gen/flow/flow_pb.ts";
import { dropReasons, dropReasonTitle } from "./drop-reasons.ts";

test("every drop reason of the API is explained, under its own name", () => {
  const expected = Object.fromEntries(
    Object.entries(DropReason)
      .filter(([name, number]) => typeof number === "number" && name !== "DROP_REASON_UNKNOWN")
      .map(([name, number]) => [number, name]),
  );
  const own = Object.fromEntries(
    Object.entries(dropReasons).map(([number, { name }]) => [number, name]),
  );
  assert.deepEqual(own, expected);
});

test("every explanation is a sentence", () => {
  for (const [number, { meaning, advice }] of Object.entries(dropReasons)) {
    assert.match(meaning, /^[A-Z].*\.$/s, `${number} means`);
    assert.match(advice, /[.?]$/s, `${number} advises`);
  }
});

for (const [code, title] of [
  [133, "Denied by default"],
  [181, "Denied by a rule"],
  [132, "Invalid source IP"],
  [155, "CT map insertion failed"],
  [174, "Is a ClusterIP"],
  [176, "Forbidden ICMPv6 message"],
  [203, "Endpoint not ready"],
  [999, "Reason 999"],
] as const) {
  test(`reason ${code} is called "${title}"`, () => assert.equal(dropReasonTitle(code), title));
}
