// The history, there or on its way: a folder that cannot be used now (a disk that is not mounted yet, a lock that a dying
// agent still has) may be later, and flows go on meanwhile.
import { History, type HistoryOptions, newStoreId } from "@tsilium/hubble/history/index.ts";
import type { Flow, FlowHistory, HistoryQuery } from "@tsilium/hubble/model.ts";
import type { Logger } from "@tsilium/runtime";
import { RetryTimer } from "../../retry-timer.ts";
import type { HistoryStatus } from "../model.ts";

const longestRetryMs = 30_000;

export class KeptHistory implements FlowHistory, AsyncDisposable {
  readonly #options: HistoryOptions;
  readonly #log: Logger;
  readonly #retry: RetryTimer;
  readonly #ownStoreId = newStoreId();
  #history: History | undefined;
  #failure: string | undefined;
  #isClosed = false;

  private constructor(options: HistoryOptions, log: Logger) {
    this.#options = options;
    this.#log = log;
    this.#retry = new RetryTimer(() => void this.#open(), longestRetryMs);
  }

  /** Resolves when it is open, or has failed to and will be tried again. */
  static async open(options: HistoryOptions, log: Logger): Promise<KeptHistory> {
    const kept = new KeptHistory(options, log);
    await kept.#open();
    return kept;
  }

  /** What UUIDs of flows begin with. */
  get storeId(): string {
    return this.#history?.storeId ?? this.#ownStoreId;
  }

  get lastSequence(): number {
    return this.#history?.lastSequence ?? 0;
  }

  append(flows: readonly Flow[]): void {
    this.#history?.append(flows);
  }

  newestFirst(query: HistoryQuery, signal: AbortSignal): AsyncIterable<readonly Flow[]> {
    return this.#history?.newestFirst(query, signal) ?? nothing();
  }

  oldestFirst(query: HistoryQuery, signal: AbortSignal): AsyncIterable<readonly Flow[]> {
    return this.#history?.oldestFirst(query, signal) ?? nothing();
  }

  /** undefined: it is not open. */
  status(): HistoryStatus | undefined {
    if (!this.#history) return undefined;
    const { flows, bytes, oldestNs, corruptBlocks, lostFlows } = this.#history.statistics();
    return {
      flows,
      bytes,
      oldestMs: oldestNs === undefined ? undefined : Number(oldestNs / 1_000_000n),
      corrupt: corruptBlocks,
      lost: lostFlows,
    };
  }

  get problem(): string | undefined {
    if (this.#failure !== undefined) return `no history is kept: ${this.#failure}`;
    const error = this.#history?.statistics().writeError;
    return error && `the history cannot be written: ${error}`;
  }

  /** Puts away what is on its way to disk. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#retry[Symbol.dispose]();
    await this.#history?.close();
  }

  async #open(): Promise<void> {
    try {
      const history = await History.open(this.#options);
      if (this.#isClosed) return await history.close();
      if (this.#failure !== undefined) this.#log.info("the history is open");
      this.#history = history;
      this.#failure = undefined;
    } catch (error) {
      this.#failure = (error as Error).message;
      if (!this.#isClosed) this.#retry.start();
    }
  }
}

async function* nothing(): AsyncGenerator<readonly Flow[]> {}
