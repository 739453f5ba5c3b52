// Starts proxies. They outlive who starts them: no pipe and no session is shared, and the PID file is written before the
// program runs (apps/agent/native/tsilium-launch.c), so that whoever comes next finds it.
import { existsSync, openSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  close,
  F_DUPFD_CLOEXEC,
  fcntl,
  pipe,
  projectRoot,
  spawnProcess,
  waitpid,
} from "@tsilium/syscall";
import { LaunchError } from "./error.ts";
import { type About, aboutOf } from "./pid-file.ts";
import { type RunningProcess, startTimeOf } from "./process.ts";
import type { ProxyUser } from "./users.ts";

/** Numbers of capabilities (capability.h) that a proxy may keep. */
const capabilityNumbers = { CAP_NET_BIND_SERVICE: 10, CAP_NET_ADMIN: 12, CAP_NET_RAW: 13 } as const;
export type Capability = keyof typeof capabilityNumbers;

export type LaunchOptions = {
  /** The program's absolute path. */
  readonly command: string;
  /** Without the program's name. Seen by everybody on the machine: no secrets. */
  readonly args: readonly string[];
  /** The whole environment. Default: PATH alone. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Folder of the cgroup v2 hierarchy that it is in before it makes a socket; it must be there. */
  readonly cgroup?: string;
  /** Default: as who starts it; then it drops privileges itself. */
  readonly user?: ProxyUser;
  /** All that it has, with a `user`. Default: none. */
  readonly capabilities?: readonly Capability[];
  /** Inherited: its number (3 or more) -> ours, which stay ours to close. */
  readonly descriptors?: ReadonlyMap<number, number>;
  /** Takes its stdout and stderr; started anew when it is longer than `longestLog`. */
  readonly logFile: string;
  /** Written before the program runs. In a folder that the proxy's user cannot write to. */
  readonly pidFile?: string;
};

const defaultEnvironment = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
/** A log is kept from growing beyond this by `trimLog`. */
export const longestLog = 4 << 20;
const launcherName = "tsilium-launch";
/** Sources of descriptors are moved above all targets, so that no dup2 overwrites one that is still needed. */
const firstSource = 200;
const startPatienceMs = 5_000;

/** Resolves when the program runs (it may not serve yet). @throws LaunchError "not_found", "failed" */
export async function launch(options: LaunchOptions): Promise<RunningProcess> {
  const launcher = join(projectRoot(), "dist/bin", launcherName);
  for (const file of [launcher, options.command])
    if (!existsSync(file)) throw new LaunchError("not_found", `${file} was not found`);
  trimLog(options.logFile);
  const [readEnd, writeEnd] = pipe();
  let pid: number;
  try {
    pid = spawn(launcher, options, writeEnd);
  } catch (error) {
    close(readEnd);
    throw new LaunchError("failed", `${options.command} cannot be started`, { cause: error });
  } finally {
    close(writeEnd);
  }
  // Before anything else waits: a child that has ended keeps its entry until it is reaped.
  const startTime = startTimeOf(pid);
  const problem = await readReport(readEnd);
  if (problem === "" && startTime !== undefined) return { pid, startTime };
  if (options.pidFile) rmSync(options.pidFile, { force: true });
  await reap(pid);
  const reason = problem.trim() || "it ended at once";
  throw new LaunchError("failed", `${options.command} cannot be started: ${reason}`);
}

/** Empties a log that has grown too long: it is appended to, so its writer takes no notice. */
export function trimLog(file: string): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > longestLog) truncateSync(file);
}

/** The last lines of a proxy's log, for error texts. */
export function lastWords(logFile: string, lines = 4): string {
  try {
    return readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-lines).join("; ");
  } catch {
    return "";
  }
}

function spawn(launcher: string, options: LaunchOptions, report: number): number {
  const { descriptors = new Map<number, number>() } = options;
  const reportTarget = Math.max(2, ...descriptors.keys()) + 1;
  const nothing = openSync("/dev/null", "r");
  const log = openSync(options.logFile, "a", 0o600);
  const sources = new Map([
    [0, nothing],
    [1, log],
    [2, log],
    ...descriptors,
    [reportTarget, report],
  ]);
  const moved = new Map<number, number>();
  try {
    for (const [target, fd] of sources) moved.set(target, fcntl(fd, F_DUPFD_CLOEXEC, firstSource));
    return spawnProcess({
      path: launcher,
      argv: [launcher, ...launcherArguments(options, reportTarget)],
      environment: options.environment ?? defaultEnvironment,
      descriptors: moved,
    });
  } finally {
    for (const fd of [...moved.values(), nothing, log]) close(fd);
  }
}

function launcherArguments(options: LaunchOptions, report: number): string[] {
  const { command, args, cgroup, user, capabilities = [], pidFile } = options;
  const about: About = aboutOf(options);
  return [
    "--report-fd",
    String(report),
    ...(cgroup === undefined ? [] : ["--cgroup", cgroup]),
    ...(user ? ["--uid", String(user.uid), "--gid", String(user.gid)] : []),
    ...capabilities.flatMap((name) => ["--capability", String(capabilityNumbers[name])]),
    ...(pidFile === undefined ? [] : ["--pid-file", pidFile, "--about", JSON.stringify(about)]),
    "--",
    command,
    ...args,
  ];
}

/** What the launcher says went wrong; empty once the program runs. Ends the waiting when it says nothing at all. */
async function readReport(fd: number): Promise<string> {
  const stream = new Socket({ fd, readable: true, writable: false }).setEncoding("utf8");
  const timer = setTimeout(
    () => stream.destroy(new LaunchError("failed", "a proxy's start hangs")),
    startPatienceMs,
  );
  try {
    let text = "";
    for await (const chunk of stream) text += chunk as string;
    return text;
  } finally {
    clearTimeout(timer);
  }
}

async function reap(pid: number): Promise<void> {
  for (let tries = 0; tries < 100 && waitpid(pid) === undefined; tries++) await sleep(5);
}
