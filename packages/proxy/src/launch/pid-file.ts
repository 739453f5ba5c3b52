// Finding a proxy again that somebody before us started.
import { readFileSync, readlinkSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isRunning, type RunningProcess } from "./process.ts";

/** What a process was started as: it is adopted as the same only. */
export type About = {
  /** The machine's boot, since start times count from it. */
  readonly boot: string;
  readonly executable: string;
  readonly args: readonly string[];
  readonly cgroup: string | undefined;
};

/** What must be the same for a running process to do. */
export type Wanted = {
  readonly pidFile: string;
  /** The program's path. */
  readonly command: string;
  readonly cgroup?: string;
  /** undefined: any. */
  readonly args?: readonly string[];
};

/** What a process is started as. */
export function aboutOf(options: {
  readonly command: string;
  readonly args: readonly string[];
  readonly cgroup?: string;
}): About {
  return {
    boot: bootId(),
    executable: realpathSync(options.command),
    args: options.args,
    cgroup: options.cgroup,
  };
}

/** A running process of the PID file; undefined when it has ended, is something else, or was started otherwise. */
export function adopt(wanted: Wanted): RunningProcess | undefined {
  const found = readPidFile(wanted.pidFile);
  if (!found || found.about.boot !== bootId() || !isRunning(found.process)) return undefined;
  const { process, about } = found;
  if (!runs(process.pid, about.executable)) return undefined;
  if (about.executable !== pathOf(wanted.command) || about.cgroup !== wanted.cgroup)
    return undefined;
  const sameArguments =
    wanted.args === undefined || JSON.stringify(wanted.args) === JSON.stringify(about.args);
  return sameArguments ? process : undefined;
}

/** The process of a PID file, however it was started; undefined when it has ended. For ending it. */
export function findStarted(pidFile: string): RunningProcess | undefined {
  const found = readPidFile(pidFile);
  if (!found || found.about.boot !== bootId() || !isRunning(found.process)) return undefined;
  return runs(found.process.pid, found.about.executable) ? found.process : undefined;
}

/** A file that is gone is success. */
export function removePidFile(pidFile: string): void {
  rmSync(pidFile, { force: true });
}

type PidFile = { readonly process: RunningProcess; readonly about: About };

function readPidFile(file: string): PidFile | undefined {
  try {
    const { pid, startTime, about } = JSON.parse(readFileSync(file, "utf8"));
    if (!Number.isInteger(pid) || pid < 2 || typeof startTime !== "string") return undefined;
    if (typeof about?.boot !== "string" || typeof about.executable !== "string") return undefined;
    return { process: { pid, startTime }, about };
  } catch {
    // Not there, or half of it: there is nothing to adopt.
    return undefined;
  }
}

/** Whether the process runs that program; one that was replaced on disk since counts. */
function runs(pid: number, executable: string): boolean {
  try {
    return (
      readlinkSync(join("/proc", String(pid), "exe")).replace(/ \(deleted\)$/, "") === executable
    );
  } catch {
    return false;
  }
}

function pathOf(command: string): string | undefined {
  try {
    return realpathSync(command);
  } catch {
    return undefined;
  }
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
