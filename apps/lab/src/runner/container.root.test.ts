import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { cgroupRoot } from "../layout.ts";
import { makeCgroup, removeCgroup } from "../topology/cgroup.ts";
import { createNamespace, deleteNamespace, prepareNamespaceFolder } from "../topology/namespace.ts";
import { type ContainerSpec, ContainerStartError, startContainer } from "./container.ts";
import { runInside } from "./exec.ts";

const name = `tsit-${process.pid}-container`;
const netns = `/run/netns/${name}`;
const cgroup = join(cgroupRoot(), name);
let folder: string;
let runs = 0;

before(() => {
  folder = mkdtempSync(join(tmpdir(), "tsilium-lab-"));
  prepareNamespaceFolder();
  createNamespace(netns);
  makeCgroup(cgroup);
});
after(async () => {
  await removeCgroup(cgroup);
  deleteNamespace(netns);
  rmSync(folder, { recursive: true });
});

function spec(script: string, more: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    argv: ["sh", "-c", script],
    environment: { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", GREETING: "hello" },
    netns,
    cgroup,
    hostname: "box",
    workingDir: "/tmp",
    overlays: [],
    binds: [],
    logFile: join(folder, `${++runs}.log`),
    reportsReady: false,
    ...more,
  };
}

/** Runs a container to its end: its status, and what it printed. */
async function run(script: string, more: Partial<ContainerSpec> = {}): Promise<[number, string]> {
  const wanted = spec(script, more);
  const status = await (await startContainer(wanted)).exited;
  return [status, readFileSync(wanted.logFile, "utf8").trim()];
}

test("a container has a PID, host name, network, environment and folder of its own", async () => {
  const [status, output] = await run(
    'echo "$$ $(hostname) $GREETING $PWD $(ls /sys/class/net) $(cat /proc/self/cgroup | grep -o "0::.*")"; exit 7',
  );
  assert.equal(status, 7);
  assert.equal(output, `2 box hello /tmp lo 0::/${name}`);
});

test("mounts show what they are given, also where the host has no such folder", async () => {
  for (const part of ["layer/upper/fresh", "layer/work", "volume"])
    mkdirSync(join(folder, part), { recursive: true });
  const [, output] = await run(
    "echo x > /etc/fresh/file; ls /etc/fresh; touch /srv/no 2>&1 | tail -c 22",
    {
      overlays: [`/etc=${join(folder, "layer")}`],
      binds: [`/etc/fresh=${join(folder, "volume")}`, `/srv=${join(folder, "volume")}:ro`],
    },
  );
  assert.equal(output, "file\nRead-only file system");
  assert.throws(() => readFileSync("/etc/fresh/file"), { code: "ENOENT" });
});

test("SIGTERM ends a program that does not care about it, as no PID 1 would", async () => {
  const running = await startContainer(spec("exec sleep 100"));
  assert.ok(running.signal("SIGTERM"));
  assert.equal(await running.exited, 143);
  assert.equal(running.signal("SIGTERM"), false);
});

test("killing ends everything in the container", async () => {
  const running = await startContainer(spec("setsid sleep 1000 & sleep 1000"));
  running.kill();
  assert.equal(await running.exited, 137);
});

for (const [what, argv, status] of [
  ["is not there", ["/no/such/program"], 127],
  ["is no program", ["/etc/passwd"], 126],
] as const) {
  test(`a command that ${what} is an error that names it`, async () => {
    await assert.rejects(
      startContainer(spec("", { argv })),
      (error) =>
        error instanceof ContainerStartError &&
        error.exitCode === status &&
        error.message.includes(argv[0]),
    );
  });
}

test("a program that reports is started once it has closed descriptor 3", async () => {
  const wanted = spec("sleep 0.2; echo up; exec 3>&-; exec sleep 100", { reportsReady: true });
  const running = await startContainer(wanted);
  assert.equal(readFileSync(wanted.logFile, "utf8"), "up\n");
  running.kill();
  await running.exited;
});

test("a command inside sees the container and is in its cgroup, and its output and status come back", async () => {
  const { init, exited, kill } = await startContainer(spec("exec sleep 100"));
  const signal = AbortSignal.timeout(10_000);
  const where = "$(grep -o '0::.*' /proc/self/cgroup)";
  const command = ["sh", "-c", `echo "$(hostname) $GREETING $PWD ${where}"; exit 3`];
  const { status, output } = await runInside({ init, cgroup, command, signal });
  assert.deepEqual([status, output], [3, `box hello /tmp 0::/${name}\n`]);
  kill();
  await exited;
  await assert.rejects(runInside({ init, cgroup, command, signal }), /not running/);
});

test("a command inside that takes too long is killed", async () => {
  const { init, exited, kill } = await startContainer(spec("exec sleep 100"));
  const signal = AbortSignal.timeout(100);
  await assert.rejects(runInside({ init, cgroup, command: ["sleep", "100"], signal }), {
    name: "TimeoutError",
  });
  kill();
  await exited;
});
