// One container of a pod over all its runs: starts it, probes it, restarts it as the pod's policy says.
//
//   waiting --start--> running --exit--> terminated --policy: again--> waiting (back-off) --> ...
//      \--cannot start--> waiting (reason)                \--policy: done--> finished
import { setTimeout as sleep } from "node:timers/promises";
import type { Container, ContainerState, ContainerStatus, Probe } from "@tsilium/kube";
import { ContainerStartError, type RunningContainer } from "../runner/container.ts";
import type { ProbeOutcome } from "./probe-action.ts";
import { runProbes } from "./prober.ts";
import { now } from "./time.ts";

export type RestartPolicy = "Always" | "OnFailure" | "Never";

export type KeeperOptions = {
  readonly container: Container;
  readonly restartPolicy: RestartPolicy;
  /** Prepares and starts a run. Rejects with ContainerStartError, or an error whose `code` is a waiting reason. */
  readonly start: (run: number) => Promise<RunningContainer>;
  readonly check: (
    probe: Probe,
    running: RunningContainer,
    signal: AbortSignal,
  ) => Promise<ProbeOutcome>;
  readonly graceMs: number;
  readonly changed: () => void;
  readonly event: (type: "Normal" | "Warning", reason: string, message: string) => void;
};

/** Kubernetes waits 10 s, doubled up to 5 min; a lab's users wait for the first answer. */
const firstBackoffMs = 1000;
const longestBackoffMs = 60_000;
const forgivenAfterMs = 60_000;

export class ContainerKeeper {
  readonly name: string;
  readonly #options: KeeperOptions;
  #state: ContainerState = { waiting: { reason: "PodInitializing" } };
  #lastState: ContainerState = {};
  #restarts = 0;
  #started = false;
  #ready = false;
  #finished = false;
  #running: RunningContainer | undefined;
  #lastRun: number | undefined;
  #previousRun: number | undefined;
  #id = "";

  constructor(options: KeeperOptions) {
    this.name = options.container.name;
    this.#options = options;
  }

  /** The run under way. */
  get running(): RunningContainer | undefined {
    return this.#running;
  }

  /** Number of the run that is under way, or was the last; undefined before the first. */
  get lastRun(): number | undefined {
    return this.#lastRun;
  }

  /** Number of the run before it. */
  get previousRun(): number | undefined {
    return this.#previousRun;
  }

  /** Exit status of the last run once there will be no other; undefined before. */
  get exitCode(): number | undefined {
    return this.#finished ? this.#state.terminated?.exitCode : undefined;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Runs the container until its policy is content or the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let backoffMs = 0;
    for (let run = 0; !signal.aborted; run++) {
      const begun = performance.now();
      const exitCode = await this.#runOnce(run, signal);
      if (signal.aborted) return;
      if (exitCode !== undefined && !this.#wantsAgain(exitCode)) {
        this.#finished = true;
        return this.#options.changed();
      }
      if (performance.now() - begun > forgivenAfterMs) backoffMs = 0;
      await this.#backOff(backoffMs, exitCode, signal);
      backoffMs = Math.min(Math.max(backoffMs * 2, firstBackoffMs), longestBackoffMs);
      if (exitCode !== undefined) this.#restarts++;
    }
  }

  /** Ends the run under way: SIGTERM, and after `graceMs` SIGKILL. Resolves when it is over. */
  async stop(graceMs: number): Promise<void> {
    const running = this.#running;
    if (!running) return;
    if (graceMs > 0) running.signal("SIGTERM");
    else running.kill();
    const timer = setTimeout(() => running.kill(), graceMs);
    await running.exited;
    clearTimeout(timer);
  }

  status(): ContainerStatus {
    const image = this.#options.container.image ?? "";
    return {
      name: this.name,
      image,
      imageID: "",
      ...(this.#id ? { containerID: this.#id } : {}),
      state: this.#state,
      lastState: this.#lastState,
      ready: this.#ready,
      started: this.#started,
      restartCount: this.#restarts,
    };
  }

  /** One run: its exit status, or undefined when it never began. */
  async #runOnce(run: number, signal: AbortSignal): Promise<number | undefined> {
    const startedAt = now();
    let running: RunningContainer;
    try {
      running = await this.#options.start(run);
    } catch (error) {
      if (error instanceof ContainerStartError) this.#noteRun(run);
      return this.#cannotStart(error, startedAt);
    }
    this.#noteRun(run);
    this.#running = running;
    this.#id = `tsilium-lab://${running.init.pid}-${running.init.startTime}`;
    this.#state = { running: { startedAt } };
    this.#options.event("Normal", "Started", `Started container ${this.name}`);
    this.#options.changed();
    // The pod was told to end while this container was on its way.
    if (signal.aborted) void this.stop(this.#options.graceMs);
    const probing = new AbortController();
    const probes = this.#probe(running, AbortSignal.any([probing.signal, signal]));
    const exitCode = await running.exited;
    probing.abort();
    await probes;
    this.#running = undefined;
    this.#terminated(exitCode, startedAt);
    return exitCode;
  }

  async #probe(running: RunningContainer, signal: AbortSignal): Promise<void> {
    const { container, check, graceMs, changed, event } = this.#options;
    await runProbes(
      {
        container,
        check: (probe, until) => check(probe, running, until),
        started: () => (this.#started = true),
        ready: (ready) => {
          this.#ready = ready;
          changed();
        },
        failed: (kind, why, final) => {
          const name = `${kind[0]?.toUpperCase()}${kind.slice(1)}`;
          event("Warning", "Unhealthy", `${name} probe failed: ${why}`);
          if (!final) return;
          event(
            "Normal",
            "Killing",
            `Container ${this.name} failed ${kind} probe, will be restarted`,
          );
          void this.stop(graceMs);
        },
      },
      signal,
    );
  }

  #noteRun(run: number): void {
    this.#previousRun = this.#lastRun;
    this.#lastRun = run;
  }

  #cannotStart(error: unknown, startedAt: string): number | undefined {
    const { message } = error as Error;
    if (error instanceof ContainerStartError) {
      this.#options.event("Warning", "Failed", `Error: ${message}`);
      this.#terminated(error.exitCode, startedAt, { reason: "StartError", message });
      return error.exitCode;
    }
    const reason = String((error as { code?: unknown }).code ?? "CreateContainerError");
    this.#options.event("Warning", "Failed", `Error: ${message}`);
    this.#state = { waiting: { reason, message } };
    this.#options.changed();
    return undefined;
  }

  #terminated(
    exitCode: number,
    startedAt: string,
    why: { readonly reason?: string; readonly message?: string } = {},
  ): void {
    const reason = exitCode === 0 ? "Completed" : "Error";
    this.#state = {
      terminated: { exitCode, startedAt, finishedAt: now(), reason, ...why },
    };
    this.#started = false;
    this.#ready = false;
    this.#options.changed();
  }

  #wantsAgain(exitCode: number): boolean {
    switch (this.#options.restartPolicy) {
      case "Always":
        return true;
      case "OnFailure":
        return exitCode !== 0;
      case "Never":
        return false;
    }
  }

  async #backOff(ms: number, exitCode: number | undefined, signal: AbortSignal): Promise<void> {
    if (exitCode !== undefined) {
      this.#lastState = this.#state;
      if (ms > 0) {
        const message = `back-off ${ms / 1000}s restarting container ${this.name}`;
        this.#state = { waiting: { reason: "CrashLoopBackOff", message } };
        this.#options.event("Warning", "BackOff", message);
        this.#options.changed();
      }
    }
    const atLeastMs = exitCode === undefined ? Math.max(ms, firstBackoffMs) : ms;
    if (atLeastMs > 0) await sleep(atLeastMs, undefined, { signal }).catch(() => undefined);
  }
}
