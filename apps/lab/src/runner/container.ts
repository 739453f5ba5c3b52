// A container's process: the runner, waiting for it, and its init, which other programs enter.
import { closeSync, openSync } from "node:fs";
import { identify, type ProcessIdentity, signalProcess } from "../processes/identity.ts";
import { launch, type Launched } from "./launch.ts";
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
  /** Gets its output, in lines with their times (native/log.h). */
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

/** The runner writes here until the program runs: "pid N", and "error TEXT" when it does not. */
const report = 3;
/** Held by the runner as long as it lives. */
const life = 4;

/**
 * Starts a container. Resolves when its program runs (and is ready, where it reports that).
 * @throws ContainerStartError, SyscallError when there is not even a runner
 */
export async function startContainer(spec: ContainerSpec): Promise<RunningContainer> {
  const runner = launchRunner(spec);
  const { pid, error } = parseReport(await runner.read(report));
  if (error !== undefined) throw new ContainerStartError(error, await runner.exited);
  // One that ended already has no identity left; its exit says all there is to say.
  const init = identify(pid) ?? { pid, startTime: "0" };
  return {
    init,
    exited: runner.exited,
    signal: (signal) => runner.signal(signal),
    kill: () => {
      // Init first: with it the kernel ends all that is in its PID namespace, and the runner still reports it.
      if (!signalProcess(init, "SIGKILL")) runner.signal("SIGKILL");
    },
  };
}

function launchRunner(spec: ContainerSpec): Launched {
  const path = runnerPath();
  // What the runner itself has to say it reports.
  const log = openSync("/dev/null", "a");
  try {
    return launch({
      path,
      argv: [
        path,
        "run",
        "--container",
        "--die-with-parent",
        "--report-fd",
        String(report),
        "--life-fd",
        String(life),
        "--log",
        spec.logFile,
        "--netns",
        spec.netns,
        "--cgroup",
        spec.cgroup,
        "--hostname",
        spec.hostname,
        "--cwd",
        spec.workingDir,
        ...(spec.reportsReady ? ["--pass-report"] : []),
        ...spec.overlays.flatMap((overlay) => ["--overlay", overlay]),
        ...spec.binds.flatMap((bind) => ["--bind", bind]),
        "--",
        ...spec.argv,
      ],
      environment: spec.environment,
      log,
      extra: [report, life],
    });
  } finally {
    closeSync(log);
  }
}

function parseReport(text: string): { readonly pid: number; readonly error?: string } {
  const pid = /^pid (\d+)$/m.exec(text)?.[1];
  const error = /^error (.*)$/m.exec(text)?.[1];
  if (error !== undefined) return { pid: 0, error };
  return pid === undefined ? { pid: 0, error: "the runner ended" } : { pid: Number(pid) };
}
