import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import type { FileResult } from "../files/run.ts";
import { junitReport } from "./junit.ts";
import { prettyReport } from "./pretty.ts";
import { tapReport } from "./tap.ts";

const files: FileResult[] = [
  {
    path: "shop.test.yaml",
    results: [
      { name: "the shop's front reaches its back", passed: true, durationMs: 1.5 },
      {
        name: "issue #3: nobody else does",
        passed: false,
        message: "expected a to be denied b\n\na -> b: allowed by <everything>",
        durationMs: 2,
      },
    ],
  },
];

test("a report for people counts, and says why a test failed", () => {
  assert.equal(
    stripVTControlCharacters(prettyReport(files)),
    `shop.test.yaml
  ok      the shop's front reaches its back
  FAILED  issue #3: nobody else does
          expected a to be denied b

          a -> b: allowed by <everything>

1 of 2 tests failed
`,
  );
});

test("TAP has a line for each test and why it failed", () => {
  assert.equal(
    tapReport(files),
    `TAP version 14
ok 1 - shop.test.yaml: the shop's front reaches its back
  ---
  duration_ms: 1.500
  ...
not ok 2 - shop.test.yaml: issue \\#3: nobody else does
  ---
  duration_ms: 2.000
  message: |-
    expected a to be denied b

    a -> b: allowed by <everything>
  ...
1..2
`,
  );
});

test("JUnit XML keeps texts out of its markup", () => {
  assert.equal(
    junitReport(files),
    `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="shop.test.yaml" tests="2" failures="1">
    <testcase name="the shop's front reaches its back" classname="shop.test.yaml" time="0.001500"/>
    <testcase name="issue #3: nobody else does" classname="shop.test.yaml" time="0.002000">
      <failure message="expected a to be denied b">expected a to be denied b&#10;&#10;a -&gt; b: allowed by &lt;everything&gt;</failure>
    </testcase>
  </testsuite>
</testsuites>
`,
  );
});
