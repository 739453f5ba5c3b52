import assert from "node:assert/strict";
import { test } from "node:test";
import { compileDnsPattern } from "@tsilium/net";
import { RE2JS } from "re2js";
import { serverNameRegex } from "./server-names.ts";

const shown: readonly (readonly [pattern: string, regex: string])[] = [
  ["API.Example.", String.raw`api\.example`],
  ["*", ".+"],
  ["*.example", String.raw`[-a-z0-9_]+\.example`],
  ["a*b.example", String.raw`a[-a-z0-9_]*b\.example`],
  ["**.example", String.raw`[-a-z0-9_]+(?:\.[-a-z0-9_]+)*\.example`],
];
for (const [pattern, regex] of shown) {
  test(`the server name ${pattern} is ${regex}`, () =>
    assert.equal(serverNameRegex(pattern), regex));
}

test("regular expressions match the names that patterns match, and no others", () => {
  const seed = Math.trunc(Math.random() * 2 ** 31);
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >>> 8) % below;
  };
  const text = (alphabet: string, most: number) =>
    Array.from({ length: random(most) + 1 }, () => alphabet[random(alphabet.length)]).join("");
  let matched = 0;
  // Neither names nor patterns that are admitted have empty labels.
  const sound = (name: string) => !name.split(".").includes("");
  for (let round = 0; round < 3_000; round++) {
    const pattern = (random(4) === 0 ? "**." : "") + text("ab*.-", 6);
    if (!sound(pattern)) continue;
    const regex = RE2JS.compile(serverNameRegex(pattern));
    const matches = compileDnsPattern({ matchPattern: pattern });
    for (let name = 0; name < 10; name++) {
      // As a client may say them: never empty.
      const asked = text("aabb.-", 7);
      if (!sound(asked)) continue;
      assert.equal(regex.matches(asked), matches(asked), `seed ${seed}: ${pattern} and ${asked}`);
      matched += matches(asked) ? 1 : 0;
    }
  }
  assert(matched > 300, `${matched} matched`);
});
