// Objects of a text, and the lines that their fields are found on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dump } from "js-yaml";
import { repeat, type Random } from "@tsilium/testkit";
import { type Document, parseDocuments } from "./documents.ts";

const documents = (text: string) => parseDocuments(text, "f") as Document[];
const linesOf = (text: string, ...paths: string[]) =>
  paths.map((path) => documents(text)[0]?.lines.of(path));

test("a field is found on the line of its key, an item where it begins", () => {
  const text = `# remark
kind: A

spec:
  list:
    - a: 1
      b:
        c: [x, {d: 1},
          y]
    -
      a: 2
`;
  assert.deepEqual(
    linesOf(
      text,
      "",
      "kind",
      "spec.list",
      "spec.list[0]",
      "spec.list[0].b.c[1].d",
      "spec.list[0].b.c[2]",
      "spec.list[1].a",
    ),
    [2, 2, 5, 6, 8, 9, 11],
  );
});

test("what is not there is found where it is missing", () => {
  const text = "spec:\n  a:\n    b: 1\n";
  assert.deepEqual(linesOf(text, "spec.a.missing", "spec.x[3].y", "metadata.name"), [2, 1, 1]);
});

test("keys with dots and slashes are found in brackets", () => {
  const text = 'spec:\n  labels:\n    "k8s:app.kubernetes.io/name": a\n    b: c\n';
  assert.deepEqual(
    linesOf(text, "spec.labels[k8s:app.kubernetes.io/name]", "spec.labels[b]", "spec.labels.b"),
    [3, 4, 4],
  );
});

test("quoted keys, aliases, blocks of text and line ends of other systems do not lead astray", () => {
  const text =
    "\"a\": &x\r\n  b: |\r\n    text\r\n    more\r\n'c': *x\r\nd: >-\r\n  folded\r\n\r\n  text\r\ne: 1\r\n";
  assert.deepEqual(linesOf(text, "a.b", "c.b", "d", "e"), [2, 5, 6, 10]);
});

test("every document and every item of a list is an object of its own; empty ones are none", () => {
  const text = `---
# nothing
---
kind: A
---
kind: List
items:
  - kind: B
    spec: {x: 1}
  - kind: CList
    items: [{kind: C}]
---
kind: DList
items: not a list
`;
  assert.deepEqual(
    documents(text).map(({ value, lines }) => [(value as { kind: string }).kind, lines.of("")]),
    [
      ["A", 4],
      ["B", 8],
      ["C", 11],
      ["DList", 13],
    ],
  );
  assert.equal(documents(text)[1]?.lines.of("spec.x"), 9);
});

test("JSON is YAML", () => {
  assert.deepEqual(
    linesOf('{\n "kind": "A",\n "spec": {\n  "a": [\n   1]}}', "kind", "spec.a[0]"),
    [2, 5],
  );
});

const broken: readonly (readonly [string, string, number, RegExp])[] = [
  ["a tab for indentation", "a:\n\tb: 1\n", 2, /no YAML/],
  ["the same key twice", "a: 1\nb: 2\na: 3\n", 3, /duplicated/],
  ["a bracket that stays open", "a: [1,\n", 2, /no YAML/],
  ["an alias for nothing", "a: *nothing\n", 1, /nothing/],
];

for (const [sentence, text, line, message] of broken) {
  test(`a text with ${sentence} is told with its line`, () => {
    const [found, ...more] = parseDocuments(text, "f") as { line: number; message: string }[];
    assert.equal(more.length, 0);
    assert.equal(found?.line, line);
    assert.match(found?.message ?? "", message);
  });
}

type Tree = string | Tree[] | { [key: string]: Tree };

function randomTree(random: Random, depth: number): Tree {
  const next = () => randomTree(random, depth - 1);
  if (depth > 0 && random.chance(0.4)) return Array.from({ length: random.below(4) }, next);
  if (depth > 0 && random.chance(0.6))
    return Object.fromEntries(
      Array.from({ length: random.below(4) }, (_, at) => [`k${at}`, next()]),
    );
  return `leaf ${random.below(1e9)}`;
}

/** Paths of all leaves. */
function leaves(tree: Tree, path: string): [path: string, leaf: string][] {
  if (typeof tree === "string") return [[path, tree]];
  const within = Array.isArray(tree)
    ? tree.map((item, at): [string, Tree] => [`${path}[${at}]`, item])
    : Object.entries(tree).map(([key, child]): [string, Tree] => [`${path}.${key}`, child]);
  return within.flatMap(([at, child]) => leaves(child, at));
}

test("every leaf of any tree is found on the line that shows it", () => {
  repeat({ runs: 200 }, (random) => {
    const tree = { spec: randomTree(random, 5) };
    const text = dump(tree, { flowLevel: random.pick([-1, 2, 4]), lineWidth: -1 });
    const [document] = documents(text);
    const shown = text.split("\n");
    for (const [path, leaf] of leaves(tree.spec, "spec"))
      assert.ok(shown[(document?.lines.of(path) ?? 0) - 1]?.includes(leaf), `${path} in\n${text}`);
  });
});
