// One process of proxies: started when somebody needs it, told what to enforce, started again when it dies, and ended when
// nobody has needed it for a while. What it cannot enforce passes nothing: packets find no listener.
//
//   idle --rules--> starting --> running --dies--> waiting (0, 0.2 s, doubled up to 30 s) --> starting
//     ^                             |
//     +---nobody needs it, no connection is left---+
import type { Logger } from "@tsilium/runtime";
import type {
  L7Engine,
  ListenerProblem,
  MovedConnection,
  ProxyStatus,
} from "@tsilium/proxy/model.ts";
import {
  isRunning,
  type RunningProcess,
  startTimeOf,
  stop,
  watchEnd,
} from "@tsilium/proxy/launch/index.ts";
import { ListenerBook } from "./listener-book.ts";
import type {
  Acknowledgement,
  SeatName,
  SeatReport,
  SeatState,
  SeatView,
  WantedRules,
} from "./model.ts";
import { withPatience } from "./patience.ts";

export type SeatOptions = {
  readonly name: SeatName;
  readonly engine: L7Engine;
  /** A process that runs, be it an earlier agent's: it is adopted though nobody may need it now. */
  readonly found: () => RunningProcess | undefined;
  /** Done before it starts, each time. What it throws is why the process does not start. */
  readonly prepare: () => void;
  readonly onAcknowledged: (acks: readonly Acknowledgement[]) => void;
  readonly log: Logger;
  /** How long a process without work stays. Default 5 minutes. */
  readonly idleMs?: number;
};

const firstDelayMs = 200;
const longestDelayMs = 30_000;
/** One that ran this long is started anew without delay. */
const forgivenAfterMs = 10_000;
const defaultIdleMs = 300_000;
const statusPatienceMs = 1_000;
const startPatienceMs = 30_000;
const applyPatienceMs = 10_000;
const movePatienceMs = 5_000;
/** A process that cannot be reached, or refuses its rules, this often in a row is ended: its next one starts from nothing. */
const patientTries = 3;

export class Seat implements AsyncDisposable {
  readonly #options: SeatOptions;
  readonly #ending = new AbortController();
  readonly #book = new ListenerBook();
  #isTold = false;
  #state: SeatState = "idle";
  #process: RunningProcess | undefined;
  #watch: Disposable | undefined;
  #startedAt = 0;
  #engine: string | undefined;
  #restarts = 0;
  #delayMs = 0;
  #refusals = 0;
  #problem: string | undefined;
  #sequence = 0;
  #turns: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(options: SeatOptions) {
    this.#options = options;
  }

  get state(): SeatState {
    return this.#state;
  }

  /** Whether every listener holds what is wanted, or is known not to. */
  get isSettled(): boolean {
    return this.#book.isSettled;
  }

  /** Changes what is to be enforced. Every listener of it is acknowledged, sooner or later. */
  want(wanted: WantedRules): void {
    const isNews = this.#book.change(wanted);
    // What an earlier agent's process enforces must be told from what is wanted now.
    const isFirst = !this.#isTold;
    this.#isTold = true;
    if (isNews || (isFirst && this.#options.found())) this.#work();
    this.#watchIdleness();
  }

  /** Told by the engine, outside of `apply`, which listeners let nothing through now: all of them. */
  noteProblems(problems: readonly ListenerProblem[]): void {
    if (this.#state === "running") this.#acknowledge(this.#book.noteProblems(problems));
  }

  /** Resolves when the connections follow their new rules, or are no more. */
  move(connections: readonly MovedConnection[]): Promise<void> {
    return this.#next(() => this.#move(connections));
  }

  report(): SeatReport {
    return {
      name: this.#options.name,
      state: this.#state,
      pid: this.#process?.pid,
      engine: this.#engine,
      problem: this.#problem,
      restarts: this.#restarts,
      listeners: this.#book.rows(),
    };
  }

  async view(): Promise<SeatView> {
    return { ...this.report(), status: await this.#status() };
  }

  /** Leaves the process as it is: it goes on enforcing what it has. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort(new Error("the agent stops"));
    clearTimeout(this.#timer);
    clearTimeout(this.#idleTimer);
    this.#watch?.[Symbol.dispose]();
    await this.#turns;
    await this.#options.engine[Symbol.asyncDispose]();
  }

  #work(): void {
    void this.#next(() => this.#bringUpToDate());
  }

  /** One thing at a time, in order; what fails says so itself. */
  #next(task: () => Promise<void>): Promise<void> {
    this.#turns = this.#turns.then(() => (this.#ending.signal.aborted ? undefined : task()));
    return this.#turns;
  }

  async #bringUpToDate(): Promise<void> {
    // Another turn that comes when the time has come does it.
    if (this.#state === "waiting") return this.#giveUp();
    if (this.#state !== "running") {
      if (this.#book.size === 0 && !this.#options.found()) return;
      if (!(await this.#start())) return;
    }
    await this.#apply();
  }

  async #start(): Promise<boolean> {
    const { engine, name, prepare, log } = this.#options;
    this.#state = "starting";
    try {
      prepare();
      const patience = AbortSignal.timeout(startPatienceMs);
      await engine.start(AbortSignal.any([this.#ending.signal, patience]));
      const { pid, engine: version } = await this.#ask(engine.status(), startPatienceMs);
      this.#runs(pid, version);
      log.info({ proxy: name, engine: version, pid }, "a proxy runs");
      return true;
    } catch (error) {
      if (!this.#ending.signal.aborted) await this.#startFailed(error as Error);
      return false;
    }
  }

  #runs(pid: number, engine: string): void {
    const startTime = startTimeOf(pid);
    if (startTime === undefined) throw new Error(`process ${pid} ended at once`);
    const process = { pid, startTime };
    this.#process = process;
    this.#engine = engine;
    this.#state = "running";
    this.#problem = undefined;
    this.#startedAt = performance.now();
    // What it has is of an earlier agent, or nothing.
    this.#book.startOver();
    this.#watch = watchEnd(process, (how) => this.#ended(process, how));
  }

  async #apply(): Promise<void> {
    const { engine } = this.#options;
    for (let update = this.#book.take(); update; update = this.#book.take()) {
      const sequence = ++this.#sequence;
      try {
        const applied = engine.apply({ kind: "apply", sequence, ...update });
        const problems = await this.#ask(applied, applyPatienceMs);
        this.#problem = undefined;
        this.#refusals = 0;
        this.#acknowledge(this.#book.taken(update, problems));
      } catch (error) {
        this.#book.refused(update);
        if (!this.#ending.signal.aborted) await this.#applyFailed(error as Error);
        return;
      }
    }
  }

  #acknowledge(acks: readonly Acknowledgement[]): void {
    if (acks.length > 0) this.#options.onAcknowledged(acks);
  }

  /** Nobody waits for a process that is not there: without it nothing passes, which is known at once. */
  #giveUp(): void {
    this.#acknowledge(this.#book.giveUp(this.#problem ?? "its proxy does not run"));
  }

  /** One that runs and cannot be reached goes on with rules of before: not for long. */
  async #startFailed(error: Error): Promise<void> {
    if (this.#options.found() && ++this.#refusals >= patientTries) await this.#kill();
    this.#book.unreachable();
    this.#retry(error.message);
    this.#giveUp();
  }

  /** What was in force stays so. One that never does as it is told is ended: then nothing passes, but nothing old either. */
  async #applyFailed(error: Error): Promise<void> {
    const { name, log } = this.#options;
    this.#problem = `it does not take its rules: ${error.message}`;
    log.error({ proxy: name, error }, "a proxy does not take its rules");
    // It died, or its connection broke: its end is seen as such.
    if (this.#state !== "running") return;
    if (++this.#refusals < patientTries) {
      this.#timer = setTimeout(() => this.#work(), firstDelayMs * this.#refusals);
      return;
    }
    await this.#kill();
    this.#giveUp();
  }

  async #move(connections: readonly MovedConnection[]): Promise<void> {
    const { engine, name, log } = this.#options;
    // Connections of a process that is no more are no more either, and of one that cannot be reached must not be.
    if (this.#state !== "running") return this.#kill();
    try {
      await this.#ask(engine.move(connections), movePatienceMs);
    } catch (error) {
      if (this.#ending.signal.aborted) return;
      this.#problem = `connections do not follow their rules: ${(error as Error).message}`;
      log.error(
        { proxy: name, error, connections: connections.length },
        "connections cannot be held to other rules; they are ended with their proxy, which is started anew",
      );
      await this.#kill();
    }
  }

  /** Its end is then seen as any other. */
  async #kill(): Promise<void> {
    const process = this.#process ?? this.#options.found();
    this.#refusals = 0;
    if (process) await stop(process, { signal: "SIGKILL" }).catch(() => undefined);
  }

  #ended(process: RunningProcess, how: string | undefined): void {
    if (this.#process !== process || this.#ending.signal.aborted) return;
    this.#process = undefined;
    this.#book.lost();
    this.#restarts++;
    if (performance.now() - this.#startedAt > forgivenAfterMs) this.#delayMs = 0;
    this.#retry(`it ended${how === undefined ? "" : ` (${how})`}`);
  }

  #retry(problem: string): void {
    const { name, log } = this.#options;
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    this.#state = "waiting";
    const delayMs = this.#delayMs;
    this.#delayMs = Math.min(Math.max(delayMs * 2, firstDelayMs), longestDelayMs);
    const level = problem === this.#problem ? "debug" : "error";
    this.#problem = problem;
    log[level](
      { proxy: name, problem, delayMs },
      "a proxy does not run; nothing passes without it",
    );
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#state = "idle";
      this.#work();
    }, delayMs);
  }

  async #status(): Promise<ProxyStatus | undefined> {
    if (this.#state !== "running") return undefined;
    return this.#ask(this.#options.engine.status(), statusPatienceMs).catch(() => undefined);
  }

  #ask<T>(promise: Promise<T>, patienceMs: number): Promise<T> {
    return withPatience(promise, patienceMs, this.#ending.signal);
  }

  #watchIdleness(): void {
    const { idleMs = defaultIdleMs } = this.#options;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = undefined;
    if (this.#book.size > 0) return;
    this.#idleTimer = setTimeout(() => void this.#next(() => this.#endIfIdle()), idleMs).unref();
  }

  async #endIfIdle(): Promise<void> {
    const { name, log } = this.#options;
    if (this.#book.size > 0 || this.#state !== "running") return;
    const status = await this.#status();
    // An accepted connection stays with its proxy until it ends.
    if (!status || status.connections > 0) return this.#watchIdleness();
    const process = this.#process as RunningProcess;
    this.#process = undefined;
    this.#watch?.[Symbol.dispose]();
    this.#state = "idle";
    await stop(process).catch((error: Error) => log.warn({ proxy: name, error }, "a proxy stays"));
    if (!isRunning(process))
      log.info({ proxy: name, pid: process.pid }, "nobody needs a proxy any more");
  }
}
