import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
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

test("stdin that comes in pieces is read to its end", async () => {
  // Looked at, stdin does not block any more.
  const script = `import { readManifests } from ${JSON.stringify(import.meta.resolve("./manifests.ts"))};
    process.stdin;
    console.log(readManifests(["-"]).map(({ metadata }) => metadata.name).join(" "));`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script]);
  const document = (name: string) =>
    `apiVersion: v1\nkind: Pod\nmetadata: { name: ${name} }\n---\n`;
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
  // It has begun to read, and found nothing, by the time the second piece is written.
  child.stdin.write(document("first"));
  await sleep(300);
  child.stdin.end(document("second"));
  await once(child, "close");
  assert.equal(printed, "first second\n");
});
