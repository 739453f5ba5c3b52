import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { cgroupRoot } from "../layout.ts";
import { runnerPath } from "../runner/runner.ts";
import { makeCgroup, removeCgroup } from "../topology/cgroup.ts";

/** A daemon that guards a cgroup, in which a process runs that is not its child any more. */
async function guarded() {
  const cgroup = join(cgroupRoot(), `tsit-guard-${process.pid}`);
  makeCgroup(cgroup);
  const script = `
    import { startGuard } from ${JSON.stringify(join(import.meta.dirname, "guard.ts"))};
    const guard = startGuard(${JSON.stringify(cgroup)});
    process.on("SIGTERM", () => { guard[Symbol.dispose](); process.exit(0); });
    process.stdout.write("guarded");
    setInterval(() => {}, 1000);`;
  const daemon = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(daemon.stdout, "data");
  spawn(runnerPath(), ["run", "--cgroup", cgroup, "--", "sleep", "1000"], {
    detached: true,
    stdio: "ignore",
  }).unref();
  const isPopulated = () =>
    readFileSync(join(cgroup, "cgroup.events"), "utf8").includes("populated 1");
  while (!isPopulated()) await sleep(5);
  return {
    daemon,
    isPopulated,
    [Symbol.asyncDispose]: async () => {
      daemon.kill("SIGKILL");
      await removeCgroup(cgroup);
    },
  };
}

test("what outlives agents ends with a daemon that was killed", async () => {
  await using it = await guarded();
  it.daemon.kill("SIGKILL");
  for (let tries = 0; it.isPopulated() && tries < 200; tries++) await sleep(10);
  assert.ok(!it.isPopulated());
});

test("a daemon that ends as it should cleans up by itself", async () => {
  await using it = await guarded();
  it.daemon.kill("SIGTERM");
  await once(it.daemon, "exit");
  await sleep(100);
  assert.ok(it.isPopulated());
});
