import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cgroupRoot } from "../layout.ts";
import { makeCgroup, removeCgroup } from "../topology/cgroup.ts";
import { isAlive, type ProcessIdentity } from "./identity.ts";
import { Supervisor } from "./supervisor.ts";

/** A supervisor with one process, and what its report says; all gone at the end. */
async function supervise(command: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-lab-"));
  const cgroup = join(cgroupRoot(), `tsit-${process.pid}-${command.length}-${Date.now()}`);
  makeCgroup(cgroup);
  const supervisor = new Supervisor(() => {});
  const logFile = join(folder, "log");
  supervisor.start({
    name: "it",
    command,
    environment: { PATH: "/bin:/usr/bin" },
    cgroup,
    logFile,
  });
  const report = () =>
    supervisor.reports()[0] as NonNullable<ReturnType<typeof supervisor.reports>[0]>;
  return {
    supervisor,
    report,
    log: () => readFileSync(logFile, "utf8"),
    until: async (condition: () => boolean) => {
      for (let tries = 0; !condition(); tries++) {
        assert.ok(tries < 500, `never happened; ${JSON.stringify(report())}`);
        await sleep(10);
      }
    },
    [Symbol.asyncDispose]: async () => {
      supervisor.abandon();
      await removeCgroup(cgroup);
      rmSync(folder, { recursive: true });
    },
  };
}

test("a process that was killed with SIGKILL is back in a moment", async () => {
  await using it = await supervise(["sleep", "1000"]);
  const { pid } = it.report();
  process.kill(pid as number, "SIGKILL");
  await it.until(() => it.report().restarts === 1 && it.report().state === "running");
  assert.notEqual(it.report().pid, pid);
  assert.equal(it.report().exit, "SIGKILL");
});

test("one that keeps ending is started less and less often, and given up by who waits for it", async () => {
  await using it = await supervise(["sh", "-c", "echo last words; exit 3"]);
  await it.until(() => it.report().restarts >= 3);
  assert.throws(() => it.supervisor.check(), /it keeps ending \(status 3\).*last words/s);
  assert.ok(it.log().split("last words").length <= 5);
});

test("an abandoned process is not started again", async () => {
  await using it = await supervise(["sleep", "1000"]);
  const { pid, startTime } = it.report();
  it.supervisor.abandon();
  process.kill(pid as number, "SIGKILL");
  await it.until(() => it.report().pid === undefined);
  await sleep(300);
  assert.equal(it.report().state, "stopped");
  assert.ok(!isAlive({ pid, startTime } as ProcessIdentity));
});
