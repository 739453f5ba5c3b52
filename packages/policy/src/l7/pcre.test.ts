// Expressions written anew for engines that backtrack: the same texts match, and none takes long.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RE2JS } from "re2js";
import { repeat } from "@tsilium/testkit";
import { patternProblem, PatternError, toPcre } from "./pcre.ts";
import { randomPattern, randomText } from "./testing/random-pattern.ts";

/** JavaScript has no atomic groups, but look-ahead is one; and \z is $. */
function asJavaScript(pcre: string): RegExp {
  let groups = 0;
  const text = pcre
    .replace(/\\z$/, "$")
    .replace(/\(\?>((?:\\.|\[[^\]]*\]|\((?:\\.|[^()\\])*\)|[^()\\[])*)\)/g, (_, inner) => {
      groups++;
      return `(?=(${inner}))\\${groups}`;
    });
  assert.ok(!text.includes("(?>"), pcre);
  return new RegExp(text);
}

const rows: [sentence: string, re2: string, pcre: string][] = [
  ["a literal", "/public", "/public"],
  ["characters that mean something are named", "/a\\.b\\?c;d", "/a\\.b\\?c\\x3bd"],
  ["a dot is a character of a request", "/.", "/[!-~]"],
  ["anchors at the ends say nothing", "^/a$", "/a"],
  ["in alternatives too", "^/a$|^/b$", "/a|/b"],
  ["case is ignored by naming both", "(?i)/Ab1", "/[Aa][Bb]1"],
  ["to the end of the group", "(?i:a)b|((?i)c|d)e", "[Aa]b|[CDcd]e"],
  ["groups have no names and are not counted", "(?P<x>a)(?<y>bc)+", "a(?:bc)+"],
  ["classes", "[[:alpha:]\\d_-]\\W", "[\\x2d0-9A-Z_a-z][!-/\\x3a-\\x40\\x5b-\\x5e\\x60\\x7b-~]"],
  ["quoted text", "/\\Qa.b\\E*", "/a\\.b*"],
  ["lazy is greedy when all must match", "/a+?b??", "/a+b?"],
  ["what may be left out beside .* is left out", "/a*.*b+", "/[!-~]*b"],
  ["one repetition of another is one", "((a+)*)?(b?)+", "a*b*"],
  ["a round that may be empty is none", "(a*b*)*", "[ab]*"],
  [
    "what was found once is not looked for again",
    "/.*/x/.*/y/.*",
    "/(?>[!-~]*?/x/)(?>[!-~]*?/y/)[!-~]*",
  ],
  ["though it may be of any length", "/.*/[0-9]+/.*x", "/(?>[!-~]*?/[0-9]+/)[!-~]*x"],
  ["also within choices", "/(.*/x/|y).*z", "/y[!-~]*z|/(?>[!-~]*?/x/)[!-~]*z"],
  ["a brace that counts nothing is a brace", "/a{b}", "/a\\{b\\}"],
];

for (const [sentence, re2, pcre] of rows)
  test(sentence, () => assert.equal(toPcre(re2), `^(?:${pcre})\\z`));

test("what would take long is refused", () => {
  for (const re2 of [
    "(a|aa)+$",
    "(.*)x(.*)y[a-z]+y(.*)z",
    "([a-z]+[0-9]*)+!",
    "(a|b|ab)*c",
    "/a.{0,99}b.{0,99}c",
  ])
    assert.match(patternProblem(re2) ?? "", /would take too long|is too large/, re2);
  assert.throws(() => toPcre("(a|aa)+"), PatternError);
});

test("texts match as RE2 matches them", () => {
  let taken = 0;
  let matched = 0;
  repeat({ runs: 400 }, (random) => {
    const re2 = randomPattern(random, 4);
    const reason = patternProblem(re2);
    if (reason !== undefined) return;
    taken++;
    const [mine, theirs] = [asJavaScript(toPcre(re2)), RE2JS.compile(re2)];
    for (let count = 0; count < 30; count++) {
      const text = randomText(random);
      const expected = theirs.matches(text);
      if (expected) matched++;
      assert.equal(mine.test(text), expected, JSON.stringify({ re2, pcre: toPcre(re2), text }));
    }
  });
  assert.ok(taken > 200 && matched > 400, `${taken} expressions, ${matched} matches`);
});

test("no expression that is taken keeps an engine busy that tries one way after the other", () => {
  const texts = ["a", "/a", "ab", "a0", "/", "a.", "0-", "Aa"].flatMap((unit) =>
    ["!", "", "b", "/a"].map((end) => unit.repeat(2000 / unit.length) + end),
  );
  repeat({ runs: 100 }, (random) => {
    const re2 = randomPattern(random, 5);
    if (patternProblem(re2) !== undefined) return;
    const expression = asJavaScript(toPcre(re2));
    for (const text of texts) {
      const start = performance.now();
      expression.test(text);
      const took = performance.now() - start;
      assert.ok(took < 300, `${re2} took ${took} ms on ${text.slice(0, 4)}...${text.slice(-3)}`);
    }
  });
});

test("any text at all is an expression or is refused with a reason", () => {
  const bits = [
    ..."()[]{}|*+?^$.\\aZ09,-:<>=!P#/ \u00e9\u{1f600}",
    "(?i)",
    "(?P<",
    "[[:",
    "\\x{",
    "\\Q",
    "\\E",
    "{2,",
    "\\p{",
  ];
  repeat({ runs: 4000 }, (random) => {
    const re2 = Array.from({ length: random.below(14) }, () => random.pick(bits)).join("");
    const reason = patternProblem(re2);
    if (reason !== undefined) {
      assert.notEqual(reason, "");
      return;
    }
    const pcre = toPcre(re2);
    assert.match(pcre, /^\^\(\?:[\x21-\x7e]*\)\\z$/);
    asJavaScript(pcre);
    // Engines that know RE2 get the text as it is. (re2js takes "[:]" for the start of a named class, and is asked as well.)
    if (!re2.includes("[:")) RE2JS.compile(re2);
  });
});
