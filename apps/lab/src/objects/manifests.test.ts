import assert from "node:assert/strict";
import { test } from "node:test";
import { parseManifests } from "./manifests.ts";

test("YAML and JSON documents may follow each other, lists are unfolded, empty documents skipped", () => {
  const text = [
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}",
    '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"}}',
    "# nothing here",
    '{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"c"}}]}',
  ].join("\n---\n");
  const found = parseManifests(text, "test").map(
    ({ kind, metadata }) => `${kind} ${metadata.name}`,
  );
  assert.deepEqual(found, ["Namespace a", "Pod b", "Pod c"]);
});

const bad: readonly (readonly [text: string, message: RegExp])[] = [
  ["a: [", /test: /],
  ["just words", /document 1: not an object/],
  ["kind: Pod\nmetadata: {name: a}", /apiVersion is missing/],
  ["apiVersion: v1\nmetadata: {name: a}", /kind is missing/],
  ["apiVersion: v1\nkind: Pod", /Pod without metadata.name/],
];

for (const [text, message] of bad) {
  test(`a manifest is refused: ${message.source}`, () => {
    assert.throws(() => parseManifests(text, "test"), message);
  });
}
