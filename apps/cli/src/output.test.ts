import assert from "node:assert/strict";
import { test } from "node:test";
import { facts, printable, table } from "./output.ts";

test("CVE-2025-48056: what others wrote moves no cursor, changes no colour and turns no text around", () => {
  const hostile = "\u001b[2Ka\u009b31mb\r\nc\bd\u202e\u2066e\u2028f\u0007";
  const harmless = "?[2Ka?31mb??c?d??e?f?";
  assert.equal(printable(hostile), harmless);
  assert.equal(facts([["name", hostile]]), `name: ${harmless}\n`);
  assert.match(table([{ name: hostile }], [["NAME", ({ name }) => name]]), /^NAME\n\?\[2Ka\?31mb/);
});
