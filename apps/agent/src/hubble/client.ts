// The Hubble worker as the rest of the agent sees it: the node is told to it, and it is started again when it dies. While it
// is away flows are not told; packets take no notice.
import type { Worker } from "node:worker_threads";
import type { L7Record } from "@tsilium/hubble/decode/index.ts";
import type { Logger } from "@tsilium/runtime";
import type { NamedRule, ObjectReport, PolicyNews } from "../policy/model.ts";
import type { FeedItem } from "./feed/model.ts";
import { Outbox } from "./feed/outbox.ts";
import type { FeedSource } from "./feed/source.ts";
import type { FromWorker, HubbleStatus, ToWorker } from "./model.ts";

export type HubbleClientOptions = {
  /** Starts the thread. */
  readonly startWorker: () => Worker;
  /** In the order in which the worker is to hear of them. */
  readonly sources: readonly FeedSource[];
  readonly policy: PolicyNames;
  readonly log: Logger;
};

/** A part of PolicyClient. */
export type PolicyNames = {
  /** What rule numbers stand for; undefined: all of them. Those that nobody knows are left out. */
  rules(numbers: readonly number[] | undefined): Promise<readonly NamedRule[]>;
  /** Policies with their revisions. */
  objects(): Promise<readonly Pick<ObjectReport, "ref" | "revision">[]>;
};

export type ClientStatus = {
  /** Why there is no worker; undefined: there is one. */
  readonly down: string | undefined;
  readonly restarts: number;
  /** The last that the worker said; undefined: nothing yet. */
  readonly status: HubbleStatus | undefined;
};

/** Takes records of the kernel as they lay in the rings. */
export type RecordListener = (records: readonly Uint8Array[]) => void;

const firstRestartMs = 100;
const lastRestartMs = 30_000;
/** A worker that has lived this long starts anew without delay. */
const forgivenAfterMs = 60_000;
/** For what is on its way to disk. */
const stopPatienceMs = 5_000;
/** For the policy worker to name what it knows, before the rest is told. */
const namesPatienceMs = 1_000;
/** For the API server to tell what the tables then hold, before flows are told without it. */
const completePatienceMs = 5_000;

export class HubbleClient implements AsyncDisposable {
  readonly #options: HubbleClientOptions;
  readonly #listeners = new Set<RecordListener>();
  readonly #complete = Promise.withResolvers<void>();
  #worker: Worker | undefined;
  #outbox: Outbox | undefined;
  readonly #subscriptions = new DisposableStack();
  #timer: NodeJS.Timeout | undefined;
  #startedAt = 0;
  #restartMs = firstRestartMs;
  #restarts = 0;
  #down: string | undefined = "not started yet";
  #status: HubbleStatus | undefined;
  #stopping = false;

  constructor(options: HubbleClientOptions) {
    this.#options = options;
  }

  /** Flows are told once `complete` was called, or a few seconds have gone: until then rings keep what happens. */
  start(): void {
    setTimeout(this.#complete.resolve, completePatienceMs).unref();
    for (const source of this.#options.sources)
      this.#subscriptions.use(source.follow((item) => this.#outbox?.say(item)));
    this.#startWorker();
  }

  /** The tables hold all there is. */
  complete(): void {
    this.#complete.resolve();
  }

  status(): ClientStatus {
    return { down: this.#down, restarts: this.#restarts, status: this.#status };
  }

  /** Told what the policy worker tells once. */
  policyNews({ rules, policies }: PolicyNews): void {
    for (const { number, name } of rules) this.#outbox?.say({ kind: "rule", number, name });
    for (const change of policies) this.#outbox?.say({ kind: "policy", ...change });
  }

  /** Told what proxies saw; false: there is no worker that takes it. */
  l7(records: readonly L7Record[]): boolean {
    if (!this.#worker || !this.#outbox) return false;
    this.#tell({ kind: "l7", records });
    return true;
  }

  /** Hands on what the kernel tells from now on, over restarts of the worker too, until disposed of. */
  listen(listener: RecordListener): Disposable {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#tell({ kind: "monitor", on: true });
    return {
      [Symbol.dispose]: () => {
        if (this.#listeners.delete(listener) && this.#listeners.size === 0)
          this.#tell({ kind: "monitor", on: false });
      },
    };
  }

  /** Ends the worker once it has put away what it has. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    this.#subscriptions[Symbol.dispose]();
    this.#outbox?.[Symbol.dispose]();
    const worker = this.#worker;
    if (!worker) return;
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    this.#tell({ kind: "stop" });
    const timer = setTimeout(() => {
      this.#options.log.warn("the Hubble worker does not end; it is ended");
      void worker.terminate();
    }, stopPatienceMs);
    await ended;
    clearTimeout(timer);
  }

  #startWorker(): void {
    const worker = this.#options.startWorker();
    this.#worker = worker;
    this.#down = undefined;
    this.#startedAt = performance.now();
    let failure: Error | undefined;
    worker.on("message", (message: FromWorker) => this.#hear(message));
    worker.on("error", (error: Error) => (failure = error));
    worker.on("exit", (code) => this.#lost(failure ?? new Error(`it ended with code ${code}`)));
    if (this.#listeners.size > 0) this.#tell({ kind: "monitor", on: true });
    void this.#feed(worker);
  }

  /** Tells all there is, policies' names first: rules are in force already. */
  async #feed(worker: Worker): Promise<void> {
    const names = await withPatience(this.#policyState(), []);
    // What the policy worker tells after its answer is heard after this, and finds the outbox.
    if (worker !== this.#worker || this.#stopping) return;
    const state = this.#state(names);
    const outbox = new Outbox(state, (items) => this.#tell({ kind: "feed", items }));
    this.#outbox = outbox;
    await this.#complete.promise;
    if (outbox === this.#outbox) outbox.say({ kind: "synced" });
  }

  async #policyState(): Promise<FeedItem[]> {
    const { policy } = this.#options;
    const [rules, objects] = await Promise.all([policy.rules(undefined), policy.objects()]);
    return [
      ...rules.map(({ number, name }) => ({ kind: "rule" as const, number, name })),
      ...objects.map(({ ref, revision }) => ({
        kind: "policy" as const,
        ref,
        revision,
        rules: 0,
        gone: false,
      })),
    ];
  }

  *#state(names: readonly FeedItem[]): Generator<FeedItem, void> {
    yield* names;
    for (const source of this.#options.sources) yield* source.items();
  }

  /** Names that flows wait for. */
  async #nameRules(numbers: readonly number[]): Promise<void> {
    const outbox = this.#outbox;
    const rules = await this.#options.policy.rules(numbers).catch(() => []);
    // The worker that asked may have gone meanwhile.
    if (outbox !== this.#outbox) return;
    for (const { number, name } of rules) outbox?.say({ kind: "rule", number, name });
  }

  #tell(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case "status":
        this.#note(message.status);
        return;
      case "records": {
        const records = cut(message.bytes, message.lengths);
        for (const listener of this.#listeners) listener(records);
        return;
      }
      case "rules":
        void this.#nameRules(message.numbers);
        return;
    }
  }

  #note(status: HubbleStatus): void {
    const { log } = this.#options;
    const before = this.#status?.problems ?? [];
    for (const problem of status.problems)
      if (!before.includes(problem)) log.warn({ problem }, "Hubble is not as it should be");
    if (before.length > 0 && status.problems.length === 0)
      log.info("Hubble is again as it should be");
    this.#status = status;
  }

  #lost(cause: Error): void {
    this.#worker = undefined;
    this.#outbox?.[Symbol.dispose]();
    this.#outbox = undefined;
    this.#status = undefined;
    this.#down = cause.message;
    if (this.#stopping) return;
    if (performance.now() - this.#startedAt > forgivenAfterMs) this.#restartMs = firstRestartMs;
    this.#restarts++;
    this.#options.log.error(
      { error: cause, stack: cause.stack, delayMs: this.#restartMs },
      "the Hubble worker died; packets take no notice, another is started",
    );
    this.#timer = setTimeout(() => this.#startWorker(), this.#restartMs);
    this.#restartMs = Math.min(this.#restartMs * 2, lastRestartMs);
  }
}

/** What a promise answers; `otherwise` when it fails or takes too long. */
async function withPatience<T>(promise: Promise<T>, otherwise: T): Promise<T> {
  const { promise: late, resolve } = Promise.withResolvers<T>();
  const timer = setTimeout(() => resolve(otherwise), namesPatienceMs);
  try {
    return await Promise.race([promise.catch(() => otherwise), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Records that lie one behind the other. */
function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  let at = 0;
  return lengths.map((length) => bytes.subarray(at, (at += length)));
}
