import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { cgroupRoot } from "../layout.ts";
import { makeCgroup, removeCgroup } from "../topology/cgroup.ts";
import { createNamespace, deleteNamespace, prepareNamespaceFolder } from "../topology/namespace.ts";
import { type ContainerSpec, ContainerStartError, startContainer } from "./container.ts";
import { type LogEntry, parseEntry, showEntry } from "../kubelet/container-log.ts";
import { pumpOutput, runAttached } from "./attached.ts";
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

/** Its log without the times. */
function printed({ logFile }: ContainerSpec): string {
  const lines = readFileSync(logFile, "latin1").split("\n").slice(0, -1);
  const entries = lines.map((line) => parseEntry(Buffer.from(line)));
  return entries.map((entry) => showEntry(entry as LogEntry, false)).join("");
}

/** Runs a container to its end: its status, and what it printed. */
async function run(script: string, more: Partial<ContainerSpec> = {}): Promise<[number, string]> {
  const wanted = spec(script, more);
  const status = await (await startContainer(wanted)).exited;
  return [status, printed(wanted).trim()];
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
  running.kill();
  await running.exited;
  assert.equal(printed(wanted), "up\n");
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

test("a log tells the streams apart, has times, and a last line without its end", async () => {
  const wanted = spec("echo out; sleep 0.05; echo err >&2; sleep 0.05; printf part");
  assert.equal(await (await startContainer(wanted)).exited, 0);
  const lines = readFileSync(wanted.logFile, "utf8").trim().split("\n");
  const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /;
  assert.ok(lines.every((line) => time.test(line)));
  assert.deepEqual(
    lines.map((line) => line.replace(time, "")),
    ["stdout F out", "stderr F err", "stdout P part"],
  );
});

test("a line that is longer than an entry comes back whole", async () => {
  const [, output] = await run("head -c 50000 /dev/zero | tr '\\0' x; echo; echo next");
  assert.equal(output, `${"x".repeat(50_000)}\nnext`);
});

/** Runs a command in a container with its input, and what it shows. */
async function attach(
  command: readonly string[],
  { tty, input, size }: { tty: boolean; input: string; size?: readonly [number, number] },
): Promise<{ status: number; stdout: string; stderr: string; error: string | undefined }> {
  const { init, exited, kill } = await startContainer(spec("exec sleep 100"));
  const running = runAttached({ init, cgroup, command, tty });
  if (size) running.resize(...size);
  running.stdin.end(input);
  const shown = { stdout: "", stderr: "" };
  const pump = (name: "stdout" | "stderr") =>
    pumpOutput(running[name], running.exited, async (bytes) => void (shown[name] += bytes));
  await Promise.all([pump("stdout"), pump("stderr")]);
  const result = { status: await running.exited, error: await running.startError, ...shown };
  kill();
  await exited;
  return result;
}

test("a command's input, outputs and status are its own", async () => {
  const command = ["sh", "-c", "cat; echo no >&2; exit 5"];
  const result = await attach(command, { tty: false, input: "in" });
  assert.deepEqual(result, { status: 5, stdout: "in", stderr: "no\n", error: undefined });
});

test("a command on a terminal has its size, what is typed, and one output", async () => {
  const command = ["sh", "-c", "sleep 0.2; stty size; read word; echo got $word; tty >&2"];
  const { status, stdout, stderr } = await attach(command, {
    tty: true,
    input: "yes\n",
    size: [24, 100],
  });
  // Echoed first, since it was typed before anybody read.
  assert.match(stdout, /^yes\r\n24 100\r\ngot yes\r\n\/dev\/pts\/\d+\r\n$/);
  assert.deepEqual([status, stderr], [0, ""]);
});

test("a command that is not there is an error, not an output", async () => {
  const { status, error, stdout } = await attach(["/no/such"], { tty: false, input: "" });
  assert.deepEqual([status, stdout], [127, ""]);
  assert.match(error ?? "", /no\/such/);
});

test("what a command leaves in the background does not keep it", async () => {
  const { stdout, status } = await attach(["sh", "-c", "sleep 50 & echo done"], {
    tty: false,
    input: "",
  });
  assert.deepEqual([stdout, status], ["done\n", 0]);
});
