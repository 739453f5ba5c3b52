import assert from "node:assert/strict";
import { test } from "node:test";
import { compileDnsPattern } from "@tsilium/net";
import { repeat } from "@tsilium/testkit";
import { serverNameExpression } from "./server-names.ts";

test("expressions of names match what the names' own matcher matches", () => {
  repeat({ runs: 5_000 }, (random) => {
    const word = (letters: string, most: number) =>
      Array.from({ length: random.below(most + 1) }, () => random.pick([...letters])).join("");
    const labels = (letters: string) =>
      Array.from({ length: 1 + random.below(3) }, () => word(letters, 3) || "a").join(".");
    const pattern = random.pick(["", "", "**."]) + labels("ab**-");
    const name = labels("ab-");
    // (The engine's are possessive and atomic as PCRE has them; without, JavaScript matches the same.)
    const expression = serverNameExpression(pattern).replaceAll("(?>", "(?:");
    assert.equal(
      new RegExp(`^(?:${expression})$`).test(name),
      compileDnsPattern({ matchPattern: pattern })(name),
      `${pattern} ${name} ${expression}`,
    );
  });
});

test("names of every depth, and any", () => {
  const matches = (pattern: string, name: string) =>
    new RegExp(`^(?:${serverNameExpression(pattern).replaceAll("(?>", "(?:")})$`).test(name);
  assert.ok(matches("*", "") && matches("*", "a.b"));
  assert.ok(matches("**.x", "a.x") && matches("**.x", "a.b.x") && !matches("**.x", "x"));
  assert.ok(matches("A.B.", "a.b") && !matches("a.b", "axb"));
});
