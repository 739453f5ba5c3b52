// A node's flows on disk: what was seen in the last hours, asked with the same filters as what is seen now, and there
// again after a restart or a crash. docs/hubble-history.md.
import { chmod, lstat, mkdir, stat } from "node:fs/promises";
import type { Flow, FlowHistory, HistoryQuery } from "../model.ts";
import { EndpointPool } from "./endpoints.ts";
import { HistoryError } from "./errors.ts";
import { isDenial } from "./denial.ts";
import { listFiles, streamNames } from "./files.ts";
import { FlowStream } from "./flow-stream.ts";
import { FolderLock } from "./lock.ts";
import { merge } from "./merge.ts";
import type { HistoryOptions, HistoryStatistics } from "./model.ts";
import { type Order, scan } from "./scan.ts";
import { steadyClock } from "./steady-clock.ts";
import { newStoreId, type StoreId } from "./uuid.ts";

const defaults = { flushIntervalMs: 1000, blockFlows: 8192 };

export class History implements FlowHistory, AsyncDisposable {
  /** Of this run: what UUIDs of its flows begin with (`flowUuid`). */
  readonly storeId: StoreId = newStoreId();
  readonly #options: Required<HistoryOptions>;
  readonly #lock: FolderLock;
  readonly #flows: FlowStream;
  readonly #drops: FlowStream;
  #timer: NodeJS.Timeout | undefined;
  #foreignFiles = 0;
  #lastSequence = 0;
  #writeError: Error | undefined;
  #isClosed = false;

  private constructor(options: Required<HistoryOptions>, lock: FolderLock) {
    this.#options = options;
    this.#lock = lock;
    const common = {
      ...options,
      pool: new EndpointPool(),
      makeRoom: () => this.#makeRoom(),
      onWrite: (error: Error | undefined) => void (this.#writeError = error),
    };
    this.#flows = new FlowStream({ ...common, name: streamNames.flows });
    const { dropsMaxBytes: maxBytes } = options;
    this.#drops = new FlowStream({ ...common, name: streamNames.drops, maxBytes });
  }

  /**
   * Opens the folder for writing and takes over what is in it: damaged blocks are stepped over and counted, files of
   * newer versions left alone.
   * @throws HistoryError locked: another process writes it; folder: it cannot be used
   */
  static async open(options: HistoryOptions): Promise<History> {
    const { folder } = options;
    const lock = await lockFolder(folder);
    const history = new History({ ...defaults, now: steadyClock(), ...options }, lock);
    try {
      await history.#recover();
    } catch (cause) {
      await history.#flows.closeFiles();
      await history.#drops.closeFiles();
      lock[Symbol.dispose]();
      throw new HistoryError("folder", `${folder}: ${(cause as Error).message}`, { cause });
    }
    return history;
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  /**
   * Keeps these flows, in order of their sequence, each above `lastSequence`: others are counted as lost. Compresses, but
   * waits for no disk. What a full, failing or slow disk cannot take is counted, never thrown.
   */
  append(flows: readonly Flow[]): void {
    for (const flow of flows) {
      const stream = isDenial(flow) ? this.#drops : this.#flows;
      const isNext = Number.isSafeInteger(flow.sequence) && flow.sequence > this.#lastSequence;
      if (this.#isClosed || !isNext) {
        stream.countLost(1);
        continue;
      }
      this.#lastSequence = flow.sequence;
      stream.append(flow);
    }
  }

  /** When all that was appended before is in files. */
  async flush(): Promise<void> {
    this.#flush();
    await this.#flows.idle();
    await this.#drops.idle();
  }

  newestFirst(query: HistoryQuery, signal: AbortSignal): AsyncGenerator<readonly Flow[]> {
    return this.#query(query, "newest", signal);
  }

  oldestFirst(query: HistoryQuery, signal: AbortSignal): AsyncGenerator<readonly Flow[]> {
    return this.#query(query, "oldest", signal);
  }

  statistics(): HistoryStatistics {
    const streams = { flows: this.#flows.statistics(), drops: this.#drops.statistics() };
    const both = Object.values(streams);
    const sum = (one: (statistics: (typeof both)[number]) => number) =>
      both.reduce((total, statistics) => total + one(statistics), 0);
    return {
      segments: sum(({ segments }) => segments),
      bytes: sum(({ bytes }) => bytes),
      flows: sum(({ flows }) => flows),
      oldestNs: earlier(streams.flows.oldestNs, streams.drops.oldestNs),
      corruptBlocks: sum(({ corruptBlocks }) => corruptBlocks),
      lostFlows: sum(({ lostFlows }) => lostFlows),
      removedFlows: sum(({ removedFlows }) => removedFlows),
      streams,
      foreignFiles: this.#foreignFiles + this.#flows.foreignFiles + this.#drops.foreignFiles,
      writeError: this.#writeError?.message,
    };
  }

  /** Writes what is in memory, then lets others open the folder. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#flows.close();
    await this.#drops.close();
    this.#lock[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #recover(): Promise<void> {
    const files = await listFiles(this.#options.folder);
    this.#foreignFiles = files.foreign;
    await this.#flows.recover(files.flows);
    await this.#drops.recover(files.drops);
    this.#lastSequence = Math.max(this.#flows.lastSequence, this.#drops.lastSequence);
    this.#timer = setInterval(() => this.#flush(), this.#options.flushIntervalMs).unref();
  }

  /** Drops are what people look for last week: they go when nothing else is left. */
  async #makeRoom(): Promise<boolean> {
    try {
      return (await this.#flows.removeOldest()) || (await this.#drops.removeOldest());
    } catch (error) {
      this.#writeError = error as Error;
      return false;
    }
  }

  #flush(): void {
    this.#flows.flush();
    this.#drops.flush();
  }

  async *#query(
    query: HistoryQuery,
    order: Order,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Flow[]> {
    const scans = [this.#flows, this.#drops].map((stream) =>
      scan(stream.snapshot(), {
        query,
        order,
        signal,
        onCorrupt: () => stream.countCorrupt(),
      }),
    );
    yield* merge(scans, order);
  }
}

async function lockFolder(folder: string): Promise<FolderLock> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    // Who owns a folder, or the link to it, chooses what is in it, whatever its mode.
    const owners = [await lstat(folder), await stat(folder)];
    if (owners.some(({ uid }) => uid !== process.geteuid?.()))
      throw new Error("it belongs to another user");
    await chmod(folder, 0o700);
    return FolderLock.acquire(folder);
  } catch (cause) {
    if (cause instanceof HistoryError) throw cause;
    throw new HistoryError("folder", `${folder}: ${(cause as Error).message}`, { cause });
  }
}

function earlier(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a < b ? a : b;
}
