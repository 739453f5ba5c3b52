import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { test } from "node:test";
import { accessLogFd } from "./config.ts";
import { openLogPipe, readLog } from "./log-reader.ts";

const count = 300;
/** Writes a line a millisecond, as HAProxy does it: each whole. */
const writer = `
let lines = 0;
const timer = setInterval(() => {
  for (let due = 0; due < 3; due++) require("fs").writeSync(${accessLogFd}, "line " + lines++ + "\\n");
  if (lines >= ${count}) { clearInterval(timer); setTimeout(() => process.exit(), 2_000); }
}, 3);`;

test("lines come in order and none is missing, and many at once: who writes wakes nobody each time", async () => {
  const log = openLogPipe();
  const stdio = ["ignore", "ignore", "inherit", log] as const;
  const child = spawn(process.execPath, ["-e", writer], { stdio: [...stdio] });
  closeSync(log);
  const gone = once(child, "exit");
  const lines: string[] = [];
  let calls = 0;
  const read = Promise.withResolvers<void>();
  try {
    using _reading = readLog(child.pid as number, (more) => {
      calls++;
      lines.push(...more);
      if (lines.length >= count) read.resolve();
    });
    await Promise.race([read.promise, gone]);
  } finally {
    child.kill("SIGKILL");
    await gone;
  }
  assert.deepEqual(
    lines,
    Array.from({ length: count }, (_, index) => `line ${index}`),
  );
  assert.ok(calls < count / 6, `${calls} times for ${count} lines`);
});
