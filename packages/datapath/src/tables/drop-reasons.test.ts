import assert from "node:assert/strict";
import { test } from "node:test";
import { dropReasons, firstDropCode, reasonText } from "./drop-reasons.ts";

test("a drop reason has Cilium's words", () => {
  assert.equal(reasonText(132), "Invalid source ip");
  assert.equal(reasonText(175), "First logical datagram fragment not found");
});

test("forwarded packets read Success, and an unknown code reads as its number", () => {
  assert.equal(reasonText(0), "Success");
  assert.equal(reasonText(251), "251");
});

test("every code with a text is a drop code that fits a byte", () => {
  for (const code of Object.keys(dropReasons).map(Number))
    assert.ok(code >= firstDropCode && code <= 255);
});
