import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { repeat } from "@tsilium/testkit";
import { compileDnsPattern, normalizeDnsName } from "./dns-name.ts";

describe("names of DNS", () => {
  test("are lower case and without the final dot", () => {
    const cases = [
      ["Example.COM.", "example.com"],
      ["example.com", "example.com"],
      [".", ""],
      ["", ""],
      // The Kelvin sign's lower case is "k" to Unicode: another name to DNS.
      ["\u212Aube.local", "\u212Aube.local"],
    ] as const;
    for (const [text, name] of cases) assert.equal(normalizeDnsName(text), name);
  });

  test("match by pattern as their labels do", () => {
    const cases: [pattern: string, matches: string[], others: string[]][] = [
      ["*", ["", "com", "a.b.c", "odd\\046name.x"], []],
      [
        "*.example.com",
        ["a.example.com", "a-b_c9.example.com"],
        [
          "example.com",
          "a.b.example.com",
          ".example.com",
          "aexample.com",
          "a\\046b.example.com",
          "a.example.com.x",
        ],
      ],
      [
        "**.example.com",
        ["a.example.com", "a.b.c.example.com"],
        ["example.com", ".example.com", "a..example.com", "a.b!.example.com", "xexample.com"],
      ],
      [
        "**.*.example.com",
        ["a.b.example.com", "a.b.c.example.com"],
        ["a.example.com", "example.com"],
      ],
      ["**.com", ["example.com", "a.example.com"], ["com", "com.org"]],
      [
        "sub*.example.com",
        ["sub.example.com", "sub1.example.com"],
        ["su.example.com", "sub.x.example.com"],
      ],
      ["*a*b*.x", ["ab.x", "aab.x", "xaxbx.x", "abab.x"], ["ba.x", "a.x", "b.x", "a.b.x"]],
      ["a*a.x", ["aa.x", "aba.x"], ["a.x"]],
      ["ab*ba", ["abba", "abxba"], ["aba", "ab.ba"]],
      ["*.*", ["a.b"], ["a", "a.b.c"]],
      ["**", ["com"], ["a.com", ""]],
      ["a.**.b", ["a.x.b"], ["a.b", "a.x.y.b"]],
      ["Example.COM.", ["example.com"], ["exampleXcom", "a.example.com"]],
      ["**.", ["a"], ["", "a.b"]],
      ["", [""], ["a"]],
    ];
    for (const [matchPattern, matches, others] of cases) {
      const compiled = compileDnsPattern({ matchPattern });
      for (const name of matches)
        assert.equal(compiled(name), true, `${matchPattern} is not ${name}`);
      for (const name of others) assert.equal(compiled(name), false, `${matchPattern} is ${name}`);
    }
  });

  test("match by name only as a whole", () => {
    const compiled = compileDnsPattern({ matchName: "API.example.com." });
    assert.equal(compiled("api.example.com"), true);
    assert.equal(compiled("xapi.example.com"), false);
    // A star in a name is no pattern.
    assert.equal(compileDnsPattern({ matchName: "*" })("a"), false);
  });

  test("match nothing without a rule, either with two", () => {
    assert.equal(compileDnsPattern({})("a"), false);
    const both = compileDnsPattern({ matchName: "a.b", matchPattern: "*.c" });
    assert.deepEqual(["a.b", "x.c", "x.b"].map(both), [true, true, false]);
  });

  test("agree with Cilium's regular expressions on random names", () => {
    repeat({ runs: 20_000 }, (random) => {
      const text = (alphabet: string, length: number) =>
        Array.from({ length }, () => random.pick([...alphabet])).join("");
      const matchPattern = (random.below(3) === 0 ? "**." : "") + text("ab.*", 1 + random.below(7));
      const name = text("ab.-", 1 + random.below(9));
      const odd = (text: string) => /^\.|\.\.|\.$/.test(text);
      if (matchPattern === "*" || odd(matchPattern) || odd(name)) return;
      const anyDepth = matchPattern.startsWith("**.");
      const rest = (anyDepth ? matchPattern.slice(3) : matchPattern)
        .replaceAll(".", "[.]")
        .replaceAll("*", "[-a-zA-Z0-9_]*");
      const slow = new RegExp(`^${anyDepth ? "(?:[-a-zA-Z0-9_]+[.])+" : ""}${rest}$`);
      assert.equal(
        compileDnsPattern({ matchPattern })(name),
        slow.test(name),
        JSON.stringify({ matchPattern, name }),
      );
    });
  });

  test("take no time however many stars a pattern has", () => {
    const compiled = compileDnsPattern({ matchPattern: `**.${"*a".repeat(100)}*b` });
    const name = `${"a.".repeat(80)}${"a".repeat(10_000)}`;
    const before = performance.now();
    for (let round = 0; round < 100; round++) assert.equal(compiled(name), false);
    assert.ok(performance.now() - before < 1_000);
  });
});
