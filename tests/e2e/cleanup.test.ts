// A lab leaves nothing behind: after `down`, after Ctrl-C during `up`, after its daemon was killed.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { echoPod, Lab, manifests, namespaceManifest, root, run } from "./harness.ts";

test("after `lab down` nothing of the lab is left", async () => {
  const name = `t${process.pid}down`;
  const lab = await Lab.up({ name });
  await lab.apply(
    manifests(namespaceManifest("a"), echoPod({ name: "pod", namespace: "a", node: "node-2" })),
  );
  await lab.wait("a");
  assert.notDeepEqual(remains(name), nothing);
  await lab[Symbol.asyncDispose]();
  assert.deepEqual(remains(name), nothing);
});

test("`lab down` of a lab that never was says so and succeeds", async () => {
  const name = `t${process.pid}never`;
  const result = await run(join(root, "tsilium"), ["lab", "down", "--name", name]);
  assert.equal(result.status, 0, result.stderr);
});

test("Ctrl-C during `lab up` cleans up", async () => {
  const name = `t${process.pid}ctrlc`;
  const up = spawn(join(root, "tsilium"), ["lab", "up", "--name", name, "--nodes", "2", "--wait"], {
    cwd: root,
  });
  const ended = new Promise<number | null>((resolve) => up.on("close", resolve));
  while (remains(name).namespaces.length === 0) await sleep(20);
  up.kill("SIGINT");
  assert.notEqual(await ended, 0);
  assert.deepEqual(remains(name), nothing);
});

test("when the daemon was killed, `lab down` still removes everything", async () => {
  const name = `t${process.pid}crash`;
  const lab = await Lab.up({ name });
  const { processes } = await lab.json<{ processes: { name: string; pid: number }[] }>(
    "lab",
    "status",
    "--name",
    name,
  );
  process.kill(processes.find((row) => row.name === "daemon")?.pid as number, "SIGKILL");
  const down = await lab.down();
  assert.equal(down.status, 0, down.stderr);
  assert.deepEqual(remains(name), nothing);
});

type Remains = {
  namespaces: string[];
  folders: string[];
  mounts: string[];
  cgroups: boolean;
  processes: string[];
};
const nothing: Remains = { namespaces: [], folders: [], mounts: [], cgroups: false, processes: [] };

function remains(name: string): Remains {
  const folder = `/var/run/tsilium/lab/${name}`;
  return {
    namespaces: list("/var/run/netns").filter((entry) => entry.startsWith(`tsi-${name}-`)),
    folders: existsSync(folder) ? [folder] : [],
    mounts: readFileSync("/proc/mounts", "utf8")
      .split("\n")
      .filter((line) => line.includes(`/${name}/`) || line.includes(`tsi-${name}-`)),
    cgroups: existsSync(`/sys/fs/cgroup/unified/tsilium-lab-${name}`),
    processes: list("/proc").filter(
      (pid) => /^\d+$/.test(pid) && commandLine(pid).includes(`/lab/${name}/`),
    ),
  };
}

function list(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return ""; // it ended meanwhile
  }
}
