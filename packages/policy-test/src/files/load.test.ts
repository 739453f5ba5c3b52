import assert from "node:assert/strict";
import { test } from "node:test";
import { TestError } from "../error.ts";
import { findTestFiles, parseTestFile } from "./load.ts";

test("a test file is read", () => {
  const file = parseTestFile(
    `
manifests: [policies/*.yaml]
namespaces: { shop: { team: a }, empty: }
pods:
  shop/frontend: { labels: { app: frontend }, ports: { http: 8080 } }
  shop/other:
world: { partner: 203.0.113.10 }
settings: { enable-policy: always }
tests:
  - name: the front reaches the back
    from: shop/frontend
    to: [partner, shop/other]
    port: [80, 53/udp, icmp]
    expect: deny
    by: { kind: NetworkPolicy, name: isolate }
`,
    "a.test.yaml",
  );
  assert.equal(file.tests[0]?.name, "the front reaches the back");
});

const rows: readonly (readonly [sentence: string, text: string, problems: readonly string[]])[] = [
  ["an empty file is no test", "", ["the input is empty"]],
  ["a list is no test", "[]", ["the file: must be object"]],
  ["YAML must be YAML", "tests: [", ["unexpected end"]],
  ["tests are the point of it", "pods: {}", [`the file: "tests" is missing`]],
  ["and there must be one", "tests: []", ["tests: must NOT have fewer than 1 items"]],
  [
    "every fault is told, with its path",
    `
pod: {}
pods: { shop/a: { label: x } }
tests:
  - { from: shop/a, to: shop/b, port: 80, expect: allow }
  - { from: [], port: 80, expect: allowed, by: { nam: x } }
`,
    [
      `the file: unknown field "pod"`,
      `pods.shop/a: unknown field "label"`,
      `tests[1]: "to" is missing`,
      "tests[1].from: must NOT have fewer than 1 items",
      "tests[1].expect: must be one of allow, deny, audit",
      `tests[1].by: unknown field "nam"`,
    ],
  ],
  [
    "ports and addresses are checked before anything runs",
    `
world: { partner: 203.0.113.300 }
pods: { shop/a: { ports: { http: 80/gre } } }
tests: [{ from: shop/a, to: shop/b, port: [80, 80/tcpp], expect: allow }]
`,
    [
      `world.partner: "203.0.113.300" is no address`,
      `pods.shop/a.ports.http: "80/gre" is no port`,
      `tests[0].port: "80/tcpp" is no port`,
    ],
  ],
];

for (const [sentence, text, problems] of rows) {
  test(`in a test file ${sentence}`, () => {
    assert.throws(
      () => parseTestFile(text, "a.test.yaml"),
      (error) => {
        assert.ok(error instanceof TestError);
        for (const problem of problems) assert.ok(error.message.includes(problem), error.message);
        return true;
      },
    );
  });
}

test("a folder without a test file, or no folder, is an error", () => {
  assert.throws(() => findTestFiles(import.meta.dirname), /no file in .* is called \*\.test\.yaml/);
  assert.throws(() => findTestFiles("/nowhere"), /\/nowhere does not exist/);
});
