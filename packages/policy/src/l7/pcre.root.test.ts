// Expressions as PCRE2 itself reads them (grep's, with its compiler on, as HAProxy has it): the same texts match as RE2's,
// and texts made to keep it busy do not.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { RE2JS } from "re2js";
import { repeat } from "@tsilium/testkit";
import { patternProblem, toPcre } from "./pcre.ts";
import { randomPattern, randomText } from "./testing/random-pattern.ts";

/** Which of these texts match, by line number. */
function grep(pcre: string, texts: readonly string[]): string[] {
  const { stdout, stderr, status } = spawnSync("grep", ["-nP", "--", pcre], {
    input: texts.map((text) => `${text}\n`).join(""),
    encoding: "utf8",
    timeout: 20_000,
    maxBuffer: 2 ** 26,
  });
  assert.equal(stderr, "", pcre);
  assert.ok(status === 0 || status === 1, `${pcre}: ${status}`);
  return stdout.split("\n").flatMap((line) => /^[0-9]+/.exec(line)?.[0] ?? []);
}

const written = [
  "/public/.*",
  "/.*/items/[0-9]+/.*\\.png",
  "/(.*/x/|y).*z",
  "(?i)/Admin(/.*)?",
  "/a\\?b=[^&]*&c;#'\"",
  "[]a-]+\\^\\$\\|",
];

test("PCRE matches what RE2 matches", () => {
  const patterns = [...written];
  repeat({ runs: 80 }, (random) => {
    const re2 = patterns.pop() ?? randomPattern(random, 4);
    if (patternProblem(re2) !== undefined) return;
    const texts = Array.from({ length: 200 }, () => randomText(random));
    texts.push("/public/x", "/a/items/1/b.png", "/ADMIN/x", "/q/x/z", "/a?b=1&c;#'\"", "a]-^$|");
    const expression = RE2JS.compile(re2);
    const expected = texts.flatMap((text, at) =>
      expression.matches(text) ? [String(at + 1)] : [],
    );
    assert.deepEqual(grep(toPcre(re2), texts), expected, `${re2} as ${toPcre(re2)}`);
  });
});

test("no text of a request's length keeps PCRE busy", () => {
  const texts = ["a", "/a", "ab", "/1", "a.", "/x/a"].flatMap((unit) =>
    ["!", "", "z"].map((end) => unit.repeat(15_000 / unit.length) + end),
  );
  const patterns = [
    ...written,
    "([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+example\\.com",
    "(/[^/]+)*/x",
    "/.*a.*b.*c.*d.*e.*f!",
    ".*[a-z]{1,20}/[0-9]+x",
    "([^/]+/)*[^/]+\\.json",
  ];
  for (const re2 of patterns) {
    const started = performance.now();
    grep(toPcre(re2), texts);
    const took = performance.now() - started;
    assert.ok(took < 1500, `${re2} took ${took} ms for ${texts.length} texts`);
  }
});
