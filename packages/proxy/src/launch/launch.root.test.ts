import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  adopt,
  engineFolder,
  findStarted,
  isRunning,
  launch,
  LaunchError,
  type LaunchOptions,
  proxyFolder,
  proxyUsers,
  type RunningProcess,
  startTimeOf,
  stop,
  watchEnd,
} from "./index.ts";

const sleeper = "/bin/sleep";
const cgroupRoot = readFileSync("/proc/self/mounts", "utf8")
  .split("\n")
  .map((line) => line.split(" "))
  .find(([, , type]) => type === "cgroup2")?.[1] as string;

/** A folder and what was started in it; both gone at the end. */
function workshop() {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-launch-"));
  const started: RunningProcess[] = [];
  return {
    folder,
    pidFile: join(folder, "it.pid"),
    start: async (options: Partial<LaunchOptions> = {}) => {
      const process = await launch({
        command: sleeper,
        args: ["1000"],
        logFile: join(folder, "log"),
        pidFile: join(folder, "it.pid"),
        ...options,
      });
      started.push(process);
      return process;
    },
    started,
    log: () => readFileSync(join(folder, "log"), "utf8"),
    [Symbol.asyncDispose]: async () => {
      for (const process of started) await stop(process, { signal: "SIGKILL" });
      rmSync(folder, { recursive: true });
    },
  };
}

/** The lines of /proc/PID/status that tell what it may do. */
function privileges(pid: number): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, "utf8").split("\n");
  return Object.fromEntries(
    lines
      .map((line) => line.split(":\t") as [string, string])
      .filter(([name]) => /^(Uid|Gid|Groups|Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs)$/.test(name))
      .map(([name, value]) => [name, value.trim().replaceAll("\t", " ")]),
  );
}

test("an unprivileged proxy has one capability, no way to another, and no core file", async () => {
  await using it = workshop();
  const { pid } = await it.start({
    user: proxyUsers.engine.egress,
    capabilities: ["CAP_NET_RAW"],
  });
  const netRaw = "0000000000002000";
  assert.deepEqual(privileges(pid), {
    Uid: "65520 65520 65520 65520",
    Gid: "65520 65520 65520 65520",
    Groups: "",
    CapInh: netRaw,
    CapPrm: netRaw,
    CapEff: netRaw,
    CapBnd: netRaw,
    CapAmb: netRaw,
    NoNewPrivs: "1",
  });
  const limits = readFileSync(`/proc/${pid}/limits`, "utf8");
  assert.match(limits, /Max core file size\s+0 +0/);
  const [, soft, hard] = /Max open files\s+(\d+)\s+(\d+)/.exec(limits) ?? [];
  assert.equal(soft, hard);
});

test("it runs in its cgroup, in a session of its own, with nothing but what it was given", async () => {
  await using it = workshop();
  const folder = join(cgroupRoot, `tsit-launch-${process.pid}`);
  mkdirSync(folder);
  try {
    const process = await it.start({
      command: "/bin/sh",
      args: ["-c", "env; ls -l /proc/self/fd | wc -l; exec sleep 1000"],
      cgroup: folder,
      environment: { PATH: "/bin", MINE: "1" },
    });
    const { pid } = process;
    assert.match(
      readFileSync(`/proc/${pid}/cgroup`, "utf8"),
      new RegExp(`^0::.*tsit-launch-\\d+$`, "m"),
    );
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
    assert.equal(fields[3], String(pid), "leads its session");
    const told = () =>
      it
        .log()
        .split("\n")
        .filter((line) => !/^(PWD|_)=/.test(line))
        .toSorted();
    for (let tries = 0; told().length < 4 && tries < 100; tries++) await sleep(10);
    // "total", stdin, stdout, stderr, the folder that ls reads.
    assert.deepEqual(told(), ["", "5", "MINE=1", "PATH=/bin"]);
    await stop(process);
    assert.ok(!isRunning(process));
  } finally {
    for (const process of it.started) await stop(process, { signal: "SIGKILL" });
    rmdirSync(folder);
  }
});

test("it outlives who started it, who may have been killed, and is found by the next", async () => {
  await using it = workshop();
  const script = `
    import { launch } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
    await launch(${JSON.stringify({
      command: sleeper,
      args: ["1000"],
      logFile: join(it.folder, "log"),
      pidFile: it.pidFile,
    })});
    process.stdout.write("started");
    setInterval(() => {}, 1000);`;
  const agent = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(agent.stdout, "data");
  agent.kill("SIGKILL");
  await once(agent, "exit");
  const found = adopt({ pidFile: it.pidFile, command: sleeper });
  assert.ok(found && isRunning(found));
  it.started.push(found);
  assert.equal(adopt({ pidFile: it.pidFile, command: "/bin/cat" }), undefined);
  assert.equal(adopt({ pidFile: it.pidFile, command: sleeper, cgroup: "/other" }), undefined);
  assert.equal(adopt({ pidFile: it.pidFile, command: sleeper, args: ["1"] }), undefined);
  assert.deepEqual(findStarted(it.pidFile), found);
  // Not our child: its end is seen all the same.
  const ended = new Promise((resolve) => watchEnd(found, resolve));
  process.kill(found.pid, "SIGKILL");
  assert.equal(await ended, undefined);
  assert.equal(adopt({ pidFile: it.pidFile, command: sleeper }), undefined);
});

test("another process that got the number is not taken for it, nor ended", async () => {
  await using it = workshop();
  const other = await it.start();
  const text = readFileSync(it.pidFile, "utf8");
  writeFileSync(it.pidFile, text.replace(/"startTime":"\d+"/, '"startTime":"1"'));
  assert.equal(adopt({ pidFile: it.pidFile, command: sleeper }), undefined);
  await stop({ pid: other.pid, startTime: "1" });
  assert.ok(isRunning(other));
  for (const damaged of ["", "{", '{"pid":1}', '{"pid":-1,"startTime":"1","about":{}}', "[]"]) {
    writeFileSync(it.pidFile, damaged);
    assert.equal(findStarted(it.pidFile), undefined);
  }
});

test("a child that is killed is told within a moment, how included, and leaves no zombie", async () => {
  await using it = workshop();
  const child = await it.start();
  const ended = new Promise((resolve) => watchEnd(child, resolve));
  const killedAt = performance.now();
  process.kill(child.pid, "SIGKILL");
  assert.equal(await ended, "signal 9");
  assert.ok(performance.now() - killedAt < 500);
  assert.throws(() => readFileSync(`/proc/${child.pid}/stat`));
  assert.equal(await new Promise((resolve) => watchEnd(child, resolve)), undefined);
});

test("one that does not listen to SIGTERM is killed", async () => {
  await using it = workshop();
  const deaf = await it.start({
    command: "/bin/sh",
    args: ["-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"],
  });
  for (let tries = 0; !it.log().includes("deaf") && tries < 100; tries++) await sleep(10);
  await stop(deaf, { patienceMs: 100 });
  assert.equal(startTimeOf(deaf.pid), undefined);
});

test("what cannot be started says why, and leaves no PID file", async () => {
  await using it = workshop();
  await assert.rejects(
    it.start({ command: "/nowhere/haproxy" }),
    (error) => error instanceof LaunchError && error.code === "not_found",
  );
  await assert.rejects(
    it.start({ cgroup: join(cgroupRoot, "tsit-none") }),
    /cgroup .*No such file/,
  );
  await assert.rejects(it.start({ command: it.folder }), /Permission denied/);
  assert.throws(() => readFileSync(it.pidFile), { code: "ENOENT" });
});

test("an engine's folder is its user's alone, and other users pass by", async () => {
  await using it = workshop();
  chmodSync(it.folder, 0o711);
  const folder = engineFolder(proxyFolder(it.folder), "egress", proxyUsers.engine.egress);
  writeFileSync(join(folder, "secret"), "x", { mode: 0o644 });
  const asUser = ({ uid, gid }: { uid: number; gid: number }, command: string) =>
    new Promise<boolean>((resolve) =>
      execFile("/bin/sh", ["-c", command], { uid, gid, cwd: "/" }, (error) => resolve(!error)),
    );
  assert.ok(await asUser(proxyUsers.engine.egress, `cat ${folder}/secret && touch ${folder}/mine`));
  assert.ok(!(await asUser(proxyUsers.engine.ingress, `cat ${folder}/secret`)));
  assert.ok(!(await asUser(proxyUsers.engine.egress, `ls ${it.folder}/proxy`)));
});
