// A proxy's process: its number, and the moment it started, since numbers come to mean others. It need not be a child:
// the agent that started it may be gone.
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import {
  close,
  isSyscallError,
  openProcess,
  signalProcess,
  waitpid,
  watchReadable,
} from "@tsilium/syscall";
import { LaunchError } from "./error.ts";

export type RunningProcess = {
  readonly pid: number;
  /** Clock ticks between boot and its start (field 22 of /proc/PID/stat). */
  readonly startTime: string;
};

/** When the process with this number started; undefined: there is none, or it is a zombie. */
export function startTimeOf(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  // The name stands in parentheses and may itself hold any character.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, startTime] = [fields[0], fields[19]];
  return state === "Z" || state === "X" ? undefined : startTime;
}

/** Whether the very process still runs. */
export function isRunning({ pid, startTime }: RunningProcess): boolean {
  return startTimeOf(pid) === startTime;
}

/**
 * Calls `onEnd` once, soon after the process has ended, with how ("SIGKILL", "status 1"; undefined when it was not our
 * child). Not called any more once disposed of.
 */
export function watchEnd(
  process: RunningProcess,
  onEnd: (how: string | undefined) => void,
): Disposable {
  const fd = open(process);
  let over = false;
  let watch: Disposable | undefined;
  const finish = (): void => {
    if (over) return;
    over = true;
    watch?.[Symbol.dispose]();
    if (fd !== undefined) close(fd);
  };
  const ended = (): void => {
    if (over) return;
    finish();
    onEnd(reap(process.pid));
  };
  // Never from within this call, or within the poll's own callback, which must not end itself.
  if (fd === undefined) setImmediate(ended);
  else watch = watchReadable(fd, () => setImmediate(ended));
  return { [Symbol.dispose]: finish };
}

export type StopOptions = {
  /** How it is asked to end. Default SIGTERM. */
  readonly signal?: NodeJS.Signals;
  /** When it is killed. Default 2 s. */
  readonly patienceMs?: number;
};

const killPatienceMs = 5_000;

/** Ends a process: asks, then kills. One that has ended is success. @throws LaunchError "stuck" */
export async function stop(process: RunningProcess, options: StopOptions = {}): Promise<void> {
  const { signal = "SIGTERM", patienceMs = 2_000 } = options;
  const fd = open(process);
  try {
    if (fd === undefined) return;
    signalProcess(fd, signal);
    if (await hasEnded(process, patienceMs)) return;
    signalProcess(fd, "SIGKILL");
    if (await hasEnded(process, killPatienceMs)) return;
  } finally {
    if (fd !== undefined) close(fd);
    reap(process.pid);
  }
  throw new LaunchError("stuck", `process ${process.pid} does not end, not even by SIGKILL`);
}

/** A descriptor for the very process; undefined when it has ended. */
function open(process: RunningProcess): number | undefined {
  const fd = openProcess(process.pid);
  if (fd === undefined) return undefined;
  // Compared after opening: what the descriptor means does not change any more.
  if (isRunning(process)) return fd;
  close(fd);
  return undefined;
}

async function hasEnded(process: RunningProcess, patienceMs: number): Promise<boolean> {
  const deadline = performance.now() + patienceMs;
  for (let delayMs = 1; isRunning(process); delayMs = Math.min(delayMs * 2, 50)) {
    if (performance.now() > deadline) return false;
    await sleep(delayMs);
  }
  return true;
}

/** Takes the status of a child, which otherwise stays as a zombie. */
function reap(pid: number): string | undefined {
  try {
    const end = waitpid(pid);
    if (!end) return undefined;
    return "status" in end ? `status ${end.status}` : `signal ${end.signal}`;
  } catch (error) {
    // Started by an agent before this one: whoever adopted it reaps it.
    if (isSyscallError(error, "ECHILD")) return undefined;
    throw error;
  }
}
