// Programs inside a running container whose input and output somebody holds: `kubectl exec`.
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Readable, Writable } from "node:stream";
import { close, pipe, spawnProcess } from "@tsilium/syscall";
import { isAlive, type ProcessIdentity } from "../processes/identity.ts";
import { followLife, readAll } from "./launch.ts";
import { runnerPath } from "./runner.ts";

export type AttachedSpec = {
  readonly init: ProcessIdentity;
  readonly cgroup: string;
  readonly command: readonly string[];
  /** A terminal for it: then there is no stderr. */
  readonly tty: boolean;
};

export type Attached = {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves with the exit status, or 128 plus the signal's number. */
  readonly exited: Promise<number>;
  /** Why the program never ran; undefined when it did. Resolves with `exited`. */
  readonly startError: Promise<string | undefined>;
  resize(rows: number, columns: number): void;
  /** Ends the program; what it started itself in the container may go on. */
  kill(): void;
};

const [stdin, stdout, stderr, report, life, size] = [0, 1, 2, 3, 4, 5] as const;

/** Starts it. @throws Error when the container is gone */
export function runAttached(spec: AttachedSpec): Attached {
  if (!isAlive(spec.init)) throw new Error("the container is not running");
  const pipes = {
    stdin: pipe(),
    stdout: pipe(),
    stderr: pipe(),
    report: pipe(),
    life: pipe(),
    size: pipe(),
  };
  const theirs: [number, number][] = [
    [stdin, pipes.stdin[0]],
    [stdout, pipes.stdout[1]],
    [stderr, pipes.stderr[1]],
    [report, pipes.report[1]],
    [life, pipes.life[1]],
    [size, pipes.size[0]],
  ];
  const ours = [
    pipes.stdin[1],
    pipes.stdout[0],
    pipes.stderr[0],
    pipes.report[0],
    pipes.life[0],
    pipes.size[1],
  ];
  let pid: number;
  try {
    pid = spawnProcess({
      path: runnerPath(),
      argv: argumentsOf(spec),
      // A program on a terminal wants to know which; runtimes say this.
      environment: spec.tty ? { TERM: "xterm" } : {},
      descriptors: new Map(theirs),
    });
  } catch (error) {
    for (const fd of ours) close(fd);
    throw error;
  } finally {
    for (const [, fd] of theirs) close(fd);
  }
  const writing = (fd: number) => quiet(new Socket({ fd, readable: false, writable: true }));
  const reading = (fd: number) => quiet(new Socket({ fd, readable: true, writable: false }));
  const { exited, signal } = followLife(pid, pipes.life[0]);
  const sizes = writing(pipes.size[1]);
  const said = readAll(pipes.report[0]);
  void exited.then(() => sizes.destroy());
  return {
    stdin: writing(pipes.stdin[1]),
    stdout: reading(pipes.stdout[0]),
    stderr: reading(pipes.stderr[0]),
    exited,
    startError: exited.then(async () => /^error (.*)$/m.exec(await said)?.[1]),
    resize: (rows, columns) => void sizes.write(`${rows} ${columns}\n`),
    kill: () => void signal("SIGKILL"),
  };
}

function argumentsOf({ init, cgroup, command, tty }: AttachedSpec): string[] {
  return [
    runnerPath(),
    "exec",
    "--die-with-parent",
    "--report-fd",
    String(report),
    "--life-fd",
    String(life),
    "--size-fd",
    String(size),
    "--target",
    String(init.pid),
    "--cgroup",
    cgroup,
    ...(tty ? ["--tty"] : []),
    "--",
    ...command,
  ];
}

/** Its other end may be gone at any time; then it is closed, and that is all there is to it. */
function quiet(socket: Socket): Socket {
  return socket.on("error", () => socket.destroy());
}

const quietMs = 100;

/**
 * Passes on an output to its end. Once the program has exited, what it left in the background may hold the output open for
 * ever: then the end is when nothing more comes.
 */
export async function pumpOutput(
  output: Readable,
  exited: Promise<number>,
  take: (bytes: Buffer) => Promise<void>,
): Promise<void> {
  let takenAt = 0;
  let taking = false;
  const over = new AbortController();
  void exited.then(async () => {
    takenAt = performance.now();
    while (!over.signal.aborted) {
      await sleep(quietMs, undefined, { ref: false });
      if (!taking && performance.now() - takenAt > quietMs) output.destroy();
    }
  });
  try {
    for await (const chunk of output) {
      taking = true;
      await take(chunk as Buffer);
      takenAt = performance.now();
      taking = false;
    }
  } catch {
    // Destroyed above, or a pipe that broke: it has ended.
  } finally {
    over.abort();
  }
}
