import assert from "node:assert/strict";
import { closeSync, readFileSync, readSync, writeSync } from "node:fs";
import { test } from "node:test";
import { isSyscallError, pipe, type ProcessEnd, spawnProcess, waitpid } from "./index.ts";

function run(
  argv: string[],
  environment: Record<string, string> = {},
): { end: ProcessEnd; output: string } {
  const [read, write] = pipe();
  const pid = spawnProcess({
    path: "/bin/sh",
    argv,
    environment,
    descriptors: new Map([[1, write]]),
  });
  closeSync(write);
  let output = "";
  const buffer = Buffer.alloc(4096);
  for (let got = readSync(read, buffer); got > 0; got = readSync(read, buffer))
    output += buffer.toString("utf8", 0, got);
  closeSync(read);
  for (;;) {
    const end = waitpid(pid);
    if (end) return { end, output };
  }
}

test("a child gets exactly its arguments and environment", () => {
  const script = 'echo "$0|$1|$2|$A|$B"';
  const { output, end } = run(["sh", "-c", script, "zero", "", "zwei ü"], { A: "a=b", B: "" });
  assert.equal(output, "zero||zwei ü|a=b|\n");
  assert.deepEqual(end, { status: 0 });
});

test("exit status and signal are told apart", () => {
  assert.deepEqual(run(["sh", "-c", "exit 7"]).end, { status: 7 });
  assert.deepEqual(run(["sh", "-c", "kill -9 $$"]).end, { signal: 9 });
});

test("signals that Node ignores are not ignored in the child", () => {
  const ignored = /^SigIgn:\s+(\w+)/m;
  assert.match(readFileSync("/proc/self/status", "utf8"), ignored);
  const { output } = run(["sh", "-c", "grep SigIgn /proc/$$/status"]);
  assert.match(output, /SigIgn:\s+0+\n/);
});

test("only the named descriptors are inherited", () => {
  const [read, write] = pipe();
  const { output } = run(["sh", "-c", "ls /proc/$$/fd"]);
  closeSync(read);
  closeSync(write);
  assert.ok(!output.split("\n").includes(String(write)), output);
});

test("a program that does not exist is an error with its path", () => {
  assert.throws(
    () => spawnProcess({ path: "/no/such", argv: ["x"], environment: {}, descriptors: new Map() }),
    (error) => isSyscallError(error, "ENOENT") && error.message.includes("/no/such"),
  );
});

test("a pipe carries bytes from its second end to its first", () => {
  const [read, write] = pipe();
  writeSync(write, "x");
  closeSync(write);
  const buffer = Buffer.alloc(8);
  assert.equal(readSync(read, buffer), 1);
  closeSync(read);
});
