// Child processes without Node's fork, which copies a large process's page tables for every pod. A child has
// ended when the pipes it holds are closed; then it is reaped.
import { Socket } from "node:net";
import { close, pipe, type ProcessEnd, spawnProcess, waitpid, write } from "@tsilium/syscall";

export type LaunchSpec = {
  readonly path: string;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** What is on the child's stdin; default nothing. At most a pipe's room (64 KiB). */
  readonly input?: string;
  /** Ours, for its stdout and stderr. Default: both are read, see `output`. */
  readonly log?: number;
  /** Numbers of further descriptors of the child, whose other ends are read. */
  readonly extra?: readonly number[];
};

export type Launched = {
  readonly pid: number;
  /** Resolves with the exit status, or 128 plus the signal's number. */
  readonly exited: Promise<number>;
  /** What came out of each read descriptor by its number, complete when that is closed. */
  read(descriptor: number): Promise<string>;
  /** False once the process has ended. */
  signal(signal: NodeJS.Signals): boolean;
};

const stdin = 0;
const stdout = 1;
const stderr = 2;
/** What a child writes beyond this is not kept. */
const longestText = 1 << 20;

/** Starts a program in the calling thread's namespaces. @throws SyscallError */
export function launch(spec: LaunchSpec): Launched {
  const { log, extra = [], input = "" } = spec;
  const readFrom = [...(log === undefined ? [stdout, stderr] : []), ...extra];
  const pipes = new Map(readFrom.map((descriptor) => [descriptor, pipe()]));
  const [inputEnd, inputStart] = pipe();
  const descriptors = new Map([[stdin, inputEnd]]);
  if (log !== undefined) descriptors.set(stdout, log).set(stderr, log);
  for (const [descriptor, [, writeEnd]] of pipes) descriptors.set(descriptor, writeEnd);
  let pid: number;
  try {
    if (input !== "") write(inputStart, Buffer.from(input));
    pid = spawnProcess({ ...spec, descriptors });
  } catch (error) {
    for (const [readEnd] of pipes.values()) close(readEnd);
    throw error;
  } finally {
    for (const fd of [inputEnd, inputStart, ...[...pipes.values()].map(([, end]) => end)])
      close(fd);
  }
  return follow(pid, pipes);
}

function follow(pid: number, pipes: ReadonlyMap<number, readonly [number, number]>): Launched {
  const texts = new Map(
    [...pipes].map(([descriptor, [readEnd]]) => [descriptor, readAll(readEnd)]),
  );
  let ended = false;
  const exited = Promise.all(texts.values()).then(async () => {
    const end = await reap(pid);
    ended = true;
    return "status" in end ? end.status : 128 + end.signal;
  });
  return {
    pid,
    exited,
    read: (descriptor) => texts.get(descriptor) ?? Promise.resolve(""),
    // Until it is reaped its number belongs to nobody else.
    signal: (signal) => !ended && process.kill(pid, signal),
  };
}

/** Text until the other end is closed; what is beyond a megabyte is not kept. */
export async function readAll(fd: number): Promise<string> {
  let text = "";
  const stream = new Socket({ fd, readable: true, writable: false }).setEncoding("utf8");
  for await (const chunk of stream) if (text.length < longestText) text += chunk as string;
  return text;
}

/**
 * A child that holds the writing end of a pipe as long as it lives, and nobody else does.
 * @param lifeEnd our end of that pipe; closed by us
 */
export function followLife(pid: number, lifeEnd: number): Pick<Launched, "exited" | "signal"> {
  let ended = false;
  const exited = readAll(lifeEnd).then(async () => {
    const end = await reap(pid);
    ended = true;
    return "status" in end ? end.status : 128 + end.signal;
  });
  return { exited, signal: (signal) => !ended && process.kill(pid, signal) };
}

/** The pipes are closed a moment before the process is over; a program may also close them long before. */
async function reap(pid: number): Promise<ProcessEnd> {
  for (let delayMs = 1; ; delayMs = Math.min(delayMs * 2, 100)) {
    const end = waitpid(pid);
    if (end) return end;
    await new Promise((resolve) => setTimeout(resolve, delayMs));
  }
}
