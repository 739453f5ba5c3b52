// A container's process: the runner, waiting for it, and its init, which other programs enter.
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Readable } from "node:stream";
import { identify, type ProcessIdentity, signalProcess } from "../processes/identity.ts";
import { runnerPath } from "./runner.ts";

export type ContainerSpec = {
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly netns: string;
  readonly cgroup: string;
  readonly hostname: string;
  readonly workingDir: string;
  readonly overlays: readonly string[];
  readonly binds: readonly string[];
  readonly logFile: string;
  /** It closes descriptor 3 when it is ready. */
  readonly reportsReady: boolean;
};

/** The program never ran; `exitCode` is a shell's for that: 126, 127, or 128 for a failed set-up. */
export class ContainerStartError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.name = "ContainerStartError";
    this.exitCode = exitCode;
  }
}

export type RunningContainer = {
  /** Init, PID 1 of the container, as the machine sees it. */
  readonly init: ProcessIdentity;
  /** Resolves with the exit status: the program's own, or 128 plus the signal that ended it. */
  readonly exited: Promise<number>;
  /** Signals the program, through init. False when it is gone. */
  signal(signal: NodeJS.Signals): boolean;
  /** Ends everything in the container at once. */
  kill(): void;
};

/** Starts a container. Resolves when its program runs (and is ready, where it reports that). @throws ContainerStartError */
export async function startContainer(spec: ContainerSpec): Promise<RunningContainer> {
  const child = spawnRunner(spec);
  const exited = exitOf(child);
  const report = await readReport(child.stdio[3] as Readable);
  if (report.error !== undefined) throw new ContainerStartError(report.error, await exited);
  // One that ended already has no identity left; its exit says all there is to say.
  const init = (report.pid === undefined ? undefined : identify(report.pid)) ?? {
    pid: 0,
    startTime: "",
  };
  return {
    init,
    exited,
    signal: (signal) => child.exitCode === null && child.kill(signal),
    kill: () => {
      // Init first: with it the kernel ends all that is in its PID namespace, and the runner still reports it.
      if (!signalProcess(init, "SIGKILL")) child.kill("SIGKILL");
    },
  };
}

function spawnRunner(spec: ContainerSpec): ChildProcess {
  const args = [
    "run",
    "--container",
    "--die-with-parent",
    ...["--report-fd", "3", "--netns", spec.netns, "--cgroup", spec.cgroup],
    ...["--hostname", spec.hostname, "--cwd", spec.workingDir],
    ...(spec.reportsReady ? ["--pass-report"] : []),
    ...spec.overlays.flatMap((overlay) => ["--overlay", overlay]),
    ...spec.binds.flatMap((bind) => ["--bind", bind]),
    "--",
    ...spec.argv,
  ];
  const log = openSync(spec.logFile, "a", 0o600);
  try {
    return spawn(runnerPath(), args, {
      env: { ...spec.environment },
      stdio: ["ignore", log, log, "pipe"],
    });
  } finally {
    closeSync(log);
  }
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once("error", () => resolve(128));
    child.once("exit", (code) => resolve(code ?? 137));
  });
}

/** What the runner writes until the program runs: "pid N", and "error TEXT" when it does not. */
async function readReport(stream: Readable): Promise<{ pid?: number; error?: string }> {
  let text = "";
  try {
    for await (const chunk of stream.setEncoding("utf8")) text += chunk as string;
  } catch (error) {
    return { error: (error as Error).message };
  }
  const pid = /^pid (\d+)$/m.exec(text)?.[1];
  const error = /^error (.*)$/m.exec(text)?.[1];
  if (error !== undefined) return { error };
  return pid === undefined ? { error: "the runner could not be started" } : { pid: Number(pid) };
}
