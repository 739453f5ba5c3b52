import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { identify, isAlive, signalProcess } from "./identity.ts";

test("a process is its PID and the moment it started", async () => {
  const child = spawn("sleep", ["100"]);
  const identity = identify(child.pid as number);
  assert.ok(identity && isAlive(identity));
  assert.ok(!isAlive({ ...identity, startTime: "1" }));
  assert.equal(signalProcess({ ...identity, startTime: "1" }, "SIGKILL"), false);
  assert.equal(signalProcess(identity, "SIGKILL"), true);
  await once(child, "exit");
  assert.ok(!isAlive(identity));
  assert.equal(signalProcess(identity, "SIGKILL"), false);
});
