import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type LogOptions, parseEntry, readLog } from "./container-log.ts";

let folder: string;
before(() => (folder = mkdtempSync(join(tmpdir(), "tsilium-log-"))));
after(() => rmSync(folder, { recursive: true }));

const line = (second: number, text: string, tag = "F", stream = "stdout") =>
  `2026-01-01T00:00:0${second}.000000001Z ${stream} ${tag} ${text}\n`;
const over = Promise.resolve();

async function read(text: string, options: LogOptions): Promise<string> {
  const path = join(folder, "a.log");
  writeFileSync(path, text);
  let shown = "";
  const { signal } = new AbortController();
  for await (const chunk of readLog(path, options, { signal, ended: over })) shown += chunk;
  return shown;
}

const three = line(1, "one") + line(2, "two", "F", "stderr") + line(3, "three");
const since = Date.parse("2026-01-01T00:00:02Z");

for (const [what, text, options, expected] of [
  ["all of it", three, {}, "one\ntwo\nthree\n"],
  ["the last lines", three, { tailLines: 2 }, "two\nthree\n"],
  ["no lines", three, { tailLines: 0 }, ""],
  ["more lines than there are", three, { tailLines: 9 }, "one\ntwo\nthree\n"],
  ["what is new enough", three, { since }, "two\nthree\n"],
  ["so many bytes", three, { limitBytes: 6 }, "one\ntw"],
  ["an empty log", "", { tailLines: 5, follow: true }, ""],
  ["times", three, { timestamps: true, tailLines: 1 }, "2026-01-01T00:00:03.000000001Z three\n"],
  [
    "a line in parts, with one time",
    line(1, "ab", "P") + line(1, "cd"),
    { timestamps: true },
    "2026-01-01T00:00:01.000000001Z abcd\n",
  ],
  [
    "a line in parts is one of the last lines",
    line(1, "x") + line(1, "ab", "P") + line(1, "cd"),
    { tailLines: 1 },
    "abcd\n",
  ],
  ["a last line without an end", line(1, "x") + line(2, "$ ", "P"), { tailLines: 1 }, "$ "],
  ["what is no entry is left out", `what?\n${line(1, "x")}`, {}, "x\n"],
  ["following what has ended", three, { follow: true }, "one\ntwo\nthree\n"],
  ["an empty line", line(1, "") + line(2, "x"), {}, "\nx\n"],
] as const) {
  test(`a log shows ${what}`, async () => assert.equal(await read(text, options), expected));
}

test("the last lines of a long log are found from its end", async () => {
  const lines = Array.from({ length: 20_000 }, (_, at) => line(1, `line ${at}`));
  assert.equal(
    await read(lines.join(""), { tailLines: 3 }),
    "line 19997\nline 19998\nline 19999\n",
  );
  const many = await read(lines.join(""), { tailLines: 15_000 });
  assert.equal(many.split("\n").length - 1, 15_000);
});

test("a follower sees what is added, also in a new file, until the container ends", async () => {
  const path = join(folder, "follow.log");
  writeFileSync(path, line(1, "one"));
  const ended = Promise.withResolvers<void>();
  const { signal } = new AbortController();
  const text = readLog(path, { follow: true }, { signal, ended: ended.promise });
  const next = async () => String((await text.next()).value);
  assert.equal(await next(), "one\n");
  appendFileSync(path, line(2, "two").slice(0, 20));
  appendFileSync(path, line(2, "two").slice(20));
  assert.equal(await next(), "two\n");
  renameSync(path, `${path}.1`);
  writeFileSync(path, line(3, "three"));
  assert.equal(await next(), "three\n");
  appendFileSync(path, line(4, "four"));
  ended.resolve();
  assert.equal(await next(), "four\n");
  assert.equal((await text.next()).done, true);
});

test("a follower that leaves is let go", async () => {
  const path = join(folder, "leave.log");
  writeFileSync(path, line(1, "one"));
  const leaving = new AbortController();
  const never = new Promise(() => {});
  const text = readLog(path, { follow: true }, { signal: leaving.signal, ended: never });
  await text.next();
  setImmediate(() => leaving.abort());
  assert.equal((await text.next()).done, true);
});

test("an entry has a time, a stream, and whether it goes on", () => {
  assert.deepEqual(parseEntry(Buffer.from(line(1, "a b", "P", "stderr").trimEnd())), {
    time: "2026-01-01T00:00:01.000000001Z",
    stream: "stderr",
    partial: true,
    text: Buffer.from("a b"),
  });
  for (const text of ["", "x", "2026-01-01T00:00:01.000000001Z stdin F x"])
    assert.equal(parseEntry(Buffer.from(text)), undefined);
});
