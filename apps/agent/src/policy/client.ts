// The policy worker as the rest of the agent sees it: inputs go to it, subjects are asked of it, and it is started
// again when it dies. While it is away nothing changes in the kernel, and pods that are added wait.
import type { Logger } from "@tsilium/runtime";
import type { Worker } from "node:worker_threads";
import type { MovedConnection } from "@tsilium/proxy/model.ts";
import type { Acknowledgement, WantedRules } from "../proxy/model.ts";
import { PolicyError } from "./error.ts";
import type { PolicyBatch } from "./inputs/model.ts";
import type { FromWorker, StatusReport, SubjectState, ToWorker, WantedSubject } from "./model.ts";
import type { Answers, Question, QuestionKind } from "./questions.ts";
import { type SubjectRow, Subjects } from "./subjects.ts";
import { Waiters } from "./waiters.ts";

export type PolicyClientOptions = {
  readonly inputs: PolicySource;
  /** Starts the thread. */
  readonly startWorker: () => Worker;
  /** Subject numbers that endpoints' rows in the kernel name from before. */
  readonly strangers: Iterable<number>;
  readonly log: Logger;
  /** Told of every report; `delaysMs`: how long policies took that are in force since. */
  readonly onReport?: (report: StatusReport, delaysMs: readonly number[]) => void;
  /** Those that enforce L7 rules; undefined: there are none, and what is sent to them is dropped. */
  readonly proxies?: PolicyProxies | undefined;
  /** Told of all names and patterns of `toFQDNs`, whenever they change. */
  readonly onFqdnSelectors?: ((selectors: readonly string[]) => void) | undefined;
};

/** Who runs the listeners (../proxy/manager.ts). */
export type PolicyProxies = {
  /** Changes what is enforced; `PolicyClient.acknowledge` is owed for every listener. Whole whenever a worker starts. */
  want(wanted: WantedRules): void;
  /** Resolves when these connections are held to their new rules, or are no more. */
  move(connections: readonly MovedConnection[]): Promise<void>;
};

/** Where inputs come from (inputs/inputs.ts). */
export type PolicySource = {
  /** The first batch is all that holds. */
  subscribe(listener: (batch: PolicyBatch) => void): Disposable;
  flush(): void;
};

export type ClientStatus = {
  /** Why there is no worker; undefined: there is one. */
  readonly down: string | undefined;
  readonly restarts: number;
  /** The last that the worker said; undefined: nothing yet. */
  readonly report: StatusReport | undefined;
};

type Asked = { readonly resolve: (answer: never) => void; readonly reject: (error: Error) => void };

const firstRestartMs = 100;
const lastRestartMs = 30_000;
const stopPatienceMs = 2_000;

export class PolicyClient implements AsyncDisposable {
  readonly #options: PolicyClientOptions;
  readonly #subjects: Subjects;
  readonly #waiters = new Waiters();
  readonly #asked = new Map<number, Asked>();
  /** Batches with policies, and when they were sent. */
  readonly #sent: { readonly sequence: number; readonly at: number }[] = [];
  #worker: Worker | undefined;
  #feed: Disposable | undefined;
  #timer: NodeJS.Timeout | undefined;
  #restartMs = firstRestartMs;
  #restarts = 0;
  #down: string | undefined = "not started yet";
  #report: StatusReport | undefined;
  #sequence = 0;
  #questions = 0;
  #adopted = false;
  /** It was logged that something is not in the kernel. */
  #isIll = false;
  #stopping = false;

  constructor(options: PolicyClientOptions) {
    this.#options = options;
    this.#subjects = new Subjects(options.strangers);
  }

  start(): void {
    const worker = this.#options.startWorker();
    this.#worker = worker;
    this.#down = undefined;
    let failure: Error | undefined;
    worker.on("message", (message: FromWorker) => this.#hear(message));
    worker.on("error", (error: Error) => (failure = error));
    worker.on("exit", (code) => this.#lost(failure ?? new Error(`it ended with code ${code}`)));
    for (const { id, wanted } of this.#subjects.table.values())
      this.#tell({ kind: "subject", id, wanted });
    if (this.#adopted) this.#tell({ kind: "adopted" });
    this.#feed = this.#options.inputs.subscribe((inputs) => this.#send(inputs));
  }

  /** Rows of this node's subjects. */
  get subjects(): Subjects["table"] {
    return this.#subjects.table;
  }

  status(): ClientStatus {
    return { down: this.#down, restarts: this.#restarts, report: this.#report };
  }

  /** What policy is waiting for before it can be put in force; undefined: nothing. */
  get waitingFor(): string | undefined {
    if (this.#down !== undefined) return `the policy worker: ${this.#down}`;
    if (!this.#report?.synced)
      return "the API server to tell all policies, identities and addresses";
    const [first] = this.#report.conditions;
    return first && `${first.name}: ${first.reason}`;
  }

  /**
   * Counts one more endpoint for the subject of this content, and has its policy made. `release` is owed for every call.
   * @throws RangeError when there are too many subjects
   */
  acquire(wanted: WantedSubject): SubjectRow {
    const row = this.#subjects.acquire(wanted);
    if (row.references === 1) this.#tell({ kind: "subject", id: row.id, wanted });
    return row;
  }

  release(id: number): void {
    this.#subjects.release(id);
    if (!this.#subjects.get(id)) this.#tell({ kind: "subject-gone", id });
  }

  /**
   * Resolves when the kernel holds the subject's policy. @throws PolicyError not_in_force for a subject that is not
   * there (any more), the signal's reason
   */
  async inForce(id: number, signal: AbortSignal): Promise<SubjectState> {
    const state = () => this.#subjects.get(id)?.state;
    await this.#waiters.until(() => state() !== undefined || !this.#subjects.get(id), signal);
    const found = state();
    if (found) return found;
    throw new PolicyError("not_in_force", `there is no subject ${id}`);
  }

  /** Resolves when everything said until now is in the kernel. @throws the signal's reason */
  async settled(signal: AbortSignal): Promise<void> {
    const sequence = this.#now();
    await this.#waiters.until(() => this.#hasApplied(sequence) && this.#isWell(), signal);
  }

  /** Resolves when every address and identity said until now is, as far as it could be written. */
  async placed(signal: AbortSignal): Promise<void> {
    const sequence = this.#now();
    const hasPlaced = () => this.#isInStep() && (this.#report?.placed ?? 0) >= sequence;
    await this.#waiters.until(hasPlaced, signal);
  }

  /** What `settled` would wait for. */
  lag(): string | undefined {
    if (this.waitingFor !== undefined) return this.waitingFor;
    const applied = this.#report?.applied ?? 0;
    return applied < this.#now()
      ? `${this.#sequence - applied} batches of changes wait`
      : undefined;
  }

  /** Told what became of listeners: that they hold what they are to, or why not. */
  acknowledge(acks: readonly Acknowledgement[]): void {
    this.#tell({ kind: "listeners-acknowledged", acks });
  }

  /** Told that rows of endpoints in the kernel name other subjects than before. */
  endpointsMoved(): void {
    this.#tell({ kind: "endpoints-moved", sequence: ++this.#sequence });
  }

  /** Told that no endpoint's row names a subject that was not acquired here. */
  adopted(): void {
    this.#adopted = true;
    this.#subjects.forgetStrangers();
    this.#tell({ kind: "adopted" });
  }

  /** Asks the worker. @throws PolicyError worker_down, refused */
  ask<Kind extends QuestionKind>(
    question: Extract<Question, { kind: Kind }>,
  ): Promise<Answers[Kind]> {
    if (!this.#worker) return Promise.reject(new PolicyError("worker_down", String(this.#down)));
    const number = ++this.#questions;
    const { promise, resolve, reject } = Promise.withResolvers<Answers[Kind]>();
    this.#asked.set(number, { resolve, reject });
    this.#tell({ kind: "ask", number, question });
    return promise;
  }

  /** Ends the worker; what is in the kernel stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    this.#feed?.[Symbol.dispose]();
    const worker = this.#worker;
    if (!worker) return;
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    this.#tell({ kind: "stop" });
    const timer = setTimeout(() => void worker.terminate(), stopPatienceMs);
    await ended;
    clearTimeout(timer);
  }

  #send(inputs: PolicyBatch): void {
    const sequence = ++this.#sequence;
    if (inputs.some(({ kind }) => kind === "policy" || kind === "policy-gone"))
      this.#sent.push({ sequence, at: performance.now() });
    this.#tell({ kind: "inputs", sequence, inputs });
  }

  #tell(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case "status":
        return this.#note(message.report);
      case "answer":
        this.#asked.get(message.number)?.resolve(message.answer as never);
        return void this.#asked.delete(message.number);
      case "refused":
        this.#asked.get(message.number)?.reject(new PolicyError("refused", message.message));
        return void this.#asked.delete(message.number);
      case "listeners":
        return this.#options.proxies?.want(message.wanted);
      case "moved":
        return void this.#move(message.number, message.connections);
      case "fqdn-selectors":
        return this.#options.onFqdnSelectors?.(message.selectors);
    }
  }

  /** The worker waits for it, but not for ever. */
  async #move(number: number, connections: readonly MovedConnection[]): Promise<void> {
    const worker = this.#worker;
    try {
      await this.#options.proxies?.move(connections);
      if (worker === this.#worker) this.#tell({ kind: "moved-acknowledged", number });
    } catch (error) {
      this.#options.log.error({ error }, "proxies did not take connections over to other rules");
    }
  }

  #note(report: StatusReport): void {
    this.#logConditions(report);
    this.#report = report;
    if (report.synced) this.#restartMs = firstRestartMs;
    for (const state of report.subjects) this.#subjects.setState(state);
    this.#options.onReport?.(report, this.#takeDelays(report.applied));
    this.#waiters.wake();
  }

  #takeDelays(applied: number): number[] {
    const done = this.#sent.findIndex(({ sequence }) => sequence > applied);
    const taken = this.#sent.splice(0, done < 0 ? this.#sent.length : done);
    const now = performance.now();
    return taken.map(({ at }) => now - at);
  }

  /** Not while proxies are being told. */
  #logConditions({ conditionCount, conditions }: StatusReport): void {
    const { log } = this.#options;
    if (conditions.some(({ waiting }) => waiting)) return;
    const isIll = conditionCount > 0;
    if (isIll && !this.#isIll)
      log.warn({ conditionCount, conditions }, "policy is not in the kernel as it should be");
    if (!isIll && this.#isIll) log.info("policy is in the kernel again as it should be");
    this.#isIll = isIll;
  }

  #lost(cause: Error): void {
    this.#worker = undefined;
    this.#feed?.[Symbol.dispose]();
    this.#report = undefined;
    this.#isIll = false;
    this.#down = cause.message;
    for (const { reject } of this.#asked.values())
      reject(new PolicyError("worker_down", cause.message, { cause }));
    this.#asked.clear();
    if (this.#stopping) return;
    this.#restarts++;
    this.#subjects.forgetStates();
    this.#options.log.error(
      { error: cause, delayMs: this.#restartMs },
      "the policy worker died; the kernel goes on with what it has, another is started",
    );
    this.#timer = setTimeout(() => this.start(), this.#restartMs);
    this.#restartMs = Math.min(this.#restartMs * 2, lastRestartMs);
  }

  /** The number of the last batch, what has not gone out yet included. */
  #now(): number {
    this.#options.inputs.flush();
    return this.#sequence;
  }

  #hasApplied(sequence: number): boolean {
    return this.#isInStep() && (this.#report?.applied ?? 0) >= sequence;
  }

  #isInStep(): boolean {
    return this.#down === undefined && this.#report?.synced === true;
  }

  #isWell(): boolean {
    return this.#report?.conditionCount === 0;
  }
}
