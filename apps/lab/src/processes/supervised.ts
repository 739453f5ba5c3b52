// One long-running process of the lab: started in its namespace and cgroup, restarted when it ends.
//
//   running --ends--> waiting (0.1 s, doubled up to 10 s; forgiven after 10 s of running) --> running
//      \--abandon()--> stopped                                     \--abandon()--> stopped
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { runnerPath } from "../runner/runner.ts";
import { identify, type ProcessIdentity } from "./identity.ts";

const firstDelayMs = 100;
const longestDelayMs = 10_000;
const forgivenAfterMs = 10_000;

export type ProcessSpec = {
  /** "agent/node-1"; for status and logs. */
  readonly name: string;
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly cgroup: string;
  /** Network namespace; absent: the machine's own. */
  readonly netns?: string;
  /** Descriptors that the process gets as 3, 4, ... */
  readonly descriptors?: readonly number[];
  readonly logFile: string;
};

export type ProcessState = "running" | "waiting" | "stopped";

/** What status shows. `exit` says how it last ended. */
export type ProcessReport = {
  readonly name: string;
  readonly state: ProcessState;
  readonly pid?: number;
  readonly startTime?: string;
  readonly restarts: number;
  readonly exit?: string;
  readonly log: string;
};

/** Starts nothing until `start`. `changed` is called after every change of its report. */
export class Supervised {
  readonly spec: ProcessSpec;
  readonly #changed: () => void;
  #state: ProcessState = "stopped";
  #child: ChildProcess | undefined;
  #identity: ProcessIdentity | undefined;
  #restarts = 0;
  #exit: string | undefined;
  #delayMs = firstDelayMs;
  #startedAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(spec: ProcessSpec, changed: () => void) {
    this.spec = spec;
    this.#changed = changed;
  }

  start(): void {
    const { command, environment, cgroup, netns, descriptors = [], logFile } = this.spec;
    const log = openSync(logFile, "a", 0o600);
    try {
      this.#child = spawn(
        runnerPath(),
        [
          "run",
          "--die-with-parent",
          "--cgroup",
          cgroup,
          ...(netns ? ["--netns", netns] : []),
          "--",
          ...command,
        ],
        { env: { ...environment }, stdio: ["ignore", log, log, ...descriptors] },
      );
    } finally {
      closeSync(log);
    }
    this.#startedAt = performance.now();
    this.#state = "running";
    this.#identity = this.#child.pid === undefined ? undefined : identify(this.#child.pid);
    this.#child.once("error", (error) => this.#ended(error.message));
    this.#child.once("exit", (code, signal) => this.#ended(signal ?? `status ${code}`));
    this.#changed();
  }

  /** No more restarts: whoever calls ends the process, by its cgroup. */
  abandon(): void {
    clearTimeout(this.#timer);
    this.#state = "stopped";
  }

  report(): ProcessReport {
    return {
      name: this.spec.name,
      state: this.#state,
      ...this.#identity,
      restarts: this.#restarts,
      ...(this.#exit === undefined ? {} : { exit: this.#exit }),
      log: this.spec.logFile,
    };
  }

  #ended(how: string): void {
    this.#child = undefined;
    this.#identity = undefined;
    this.#exit = how;
    if (this.#state === "stopped") return this.#changed();
    if (performance.now() - this.#startedAt > forgivenAfterMs) this.#delayMs = firstDelayMs;
    this.#state = "waiting";
    this.#restarts++;
    this.#timer = setTimeout(() => this.start(), this.#delayMs);
    this.#delayMs = Math.min(this.#delayMs * 2, longestDelayMs);
    this.#changed();
  }
}
