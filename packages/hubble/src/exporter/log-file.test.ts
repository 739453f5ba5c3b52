import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createLog } from "@tsilium/runtime";
import { LogFile, type LogFileOptions } from "./log-file.ts";

const log = createLog({ level: "silent" });

async function withLog(
  options: Partial<LogFileOptions>,
  use: (file: LogFile, folder: string, path: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-flow-log-"));
  const path = join(folder, "deep/events.log");
  try {
    await using file = new LogFile({
      path,
      maxBytes: 1000,
      maxBackups: 2,
      compress: false,
      log,
      ...options,
    });
    await use(file, join(folder, "deep"), options.path ?? path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const line = (number: number) => JSON.stringify({ number, text: "x".repeat(80) });
const numbersIn = (text: string) =>
  text
    .split("\n")
    .slice(0, -1)
    .map((each) => (JSON.parse(each) as { number: number }).number);

test("lines are written in order, into a file that only its owner reads", () =>
  withLog({ maxBytes: 1e6 }, async (file, _, path) => {
    for (let number = 0; number < 100; number++) file.write(line(number));
    await file.flush();
    assert.deepEqual(
      numbersIn(readFileSync(path, "utf8")),
      Array.from({ length: 100 }, (_, i) => i),
    );
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.deepEqual(file.stats, { written: 100, lost: 0, error: undefined });
  }));

test("a file is rotated before it is too large, and the oldest ones go", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-flow-log-"));
  const path = join(folder, "events.log");
  try {
    const file = new LogFile({ path, maxBytes: 1000, maxBackups: 2, compress: false, log });
    for (let number = 0; number < 50; number++) file.write(line(number));
    await file[Symbol.asyncDispose]();
    const names = readdirSync(folder).toSorted();
    assert.equal(names.length, 3, names.join(" "));
    for (const name of names) assert.ok(statSync(join(folder, name)).size <= 1000, name);
    const texts = names.map((name) => readFileSync(join(folder, name), "utf8"));
    // "events-..." sorts before "events.log": the newest lines are last.
    const numbers = texts.flatMap(numbersIn);
    assert.deepEqual(
      numbers,
      Array.from({ length: numbers.length }, (_, i) => 50 - numbers.length + i),
    );
    assert.ok(numbers.length > 20);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("rotated files are compressed, and one whose compression was cut off is compressed again", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-flow-log-"));
  const path = join(folder, "events.log");
  try {
    const cutOff = join(folder, "events-2026-01-01T00-00-00.000.log");
    writeFileSync(cutOff, `${line(1)}\n`);
    writeFileSync(`${cutOff}.gz`, "half a");
    writeFileSync(join(folder, "events-of-others.log"), "x");
    const file = new LogFile({ path, maxBytes: 1000, maxBackups: 100, compress: true, log });
    for (let number = 0; number < 50; number++) file.write(line(number));
    await file[Symbol.asyncDispose]();
    const names = readdirSync(folder).filter((name) => name.startsWith("events-2"));
    assert.ok(names.length >= 5 && names.every((name) => name.endsWith(".gz")), names.join(" "));
    const unpacked = spawnSync("gzip", ["-dc", `${cutOff}.gz`], { encoding: "utf8" });
    assert.equal(unpacked.stdout, `${line(1)}\n`);
    assert.equal(readFileSync(join(folder, "events-of-others.log"), "utf8"), "x");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a file that others rename, remove or empty is gone on with", () =>
  withLog({ maxBytes: 1e6 }, async (file, _, path) => {
    const writeOne = async (number: number) => {
      file.write(line(number));
      await file.flush();
    };
    await writeOne(1);
    renameSync(path, `${path}.1`);
    await writeOne(2);
    assert.deepEqual(numbersIn(readFileSync(`${path}.1`, "utf8")), [1]);
    assert.deepEqual(numbersIn(readFileSync(path, "utf8")), [2]);
    rmSync(path);
    await writeOne(3);
    assert.deepEqual(numbersIn(readFileSync(path, "utf8")), [3]);
    truncateSync(path, 0);
    await writeOne(4);
    assert.deepEqual(numbersIn(readFileSync(path, "utf8")), [4]);
    rmSync(join(path, ".."), { recursive: true });
    await writeOne(5);
    assert.deepEqual(numbersIn(readFileSync(path, "utf8")), [5]);
  }));

test("a line that is longer than a file may be has one of its own", () =>
  withLog({ maxBytes: 500 }, async (file, folder) => {
    const long = JSON.stringify({ number: 2, text: "x".repeat(2000) });
    for (const each of [line(1), long, line(3)]) file.write(each);
    await file.flush();
    const sizes = readdirSync(folder).map((name) => statSync(join(folder, name)).size);
    assert.equal(sizes.length, 3);
    assert.equal(file.stats.written, 3);
  }));

test("what cannot be written waits, and what may not wait is lost and counted", async () => {
  const file = new LogFile({
    path: "/dev/full",
    maxBytes: 1e6,
    maxBackups: 1,
    compress: false,
    queueBytes: 3 * (line(0).length + 1),
    log,
  });
  const taken = [0, 1, 2, 3, 4].map((number) => file.write(line(number)));
  assert.deepEqual(taken, [true, true, true, false, false]);
  await file.flush();
  assert.match(file.stats.error ?? "", /ENOSPC/);
  // What was taken into the chunk that is tried again waits outside of the queue.
  assert.equal(file.stats.written, 0);
  await file[Symbol.asyncDispose]();
  assert.deepEqual([file.stats.written, file.stats.lost], [0, 5]);
  assert.equal(file.write("late"), false);
});
