// BPF_MAP_TYPE_RINGBUF, read without blocking the event loop. A worker thread waits and copies; batches come
// out of an async iterator in the order of the ring, each record exactly once per process.
//
// A slow consumer holds the reader back, not memory: at most one batch is read ahead, the ring fills, and then
// programs fail to reserve space. How many records that cost only they can count.
import {
  close,
  dup,
  eventfd,
  mmap,
  MAP_SHARED,
  munmap,
  nativeModulePath,
  pageSize,
  PROT_READ,
  signalEvent,
  type Mapping,
} from "@tsilium/syscall";
import { Worker } from "node:worker_threads";
import { ObjectError } from "../errors.ts";
import type { BpfMap } from "../kernel/map.ts";
import { readRing, type Batch, type ReaderData } from "./reader.ts";

export type RingBufferStatistics = {
  /** Handed out since this reader was opened. */
  readonly records: number;
  readonly bytes: number;
  /** In the ring now, headers and what is read ahead included. */
  readonly pendingBytes: number;
  readonly sizeBytes: number;
};

export class RingBuffer implements Disposable {
  readonly #fd: number;
  readonly #size: number;
  readonly #consumerPage: Mapping;
  readonly #producerPage: Mapping;
  #records = 0;
  #bytes = 0;
  #reader: Reader | undefined;

  private constructor(fd: number, size: number) {
    this.#fd = fd;
    this.#size = size;
    const page = { fd, length: pageSize, protection: PROT_READ, flags: MAP_SHARED };
    this.#consumerPage = mmap({ ...page, offset: 0 });
    this.#producerPage = mmap({ ...page, offset: pageSize });
  }

  /** Opens a ring buffer map; the map may be closed afterwards. @throws ObjectError map_invalid */
  static open(map: BpfMap): RingBuffer {
    if (map.type !== "ringbuf")
      throw new ObjectError("map_invalid", `map ${map.name} is a ${map.type}, not a ring buffer`);
    return new RingBuffer(map.duplicate(), map.maxEntries);
  }

  /**
   * Records in batches, until `signal` aborts (then it just ends) or the loop is left. Where reading stops, the
   * next call goes on, in this process or another. One reader at a time.
   * @throws Error when the ring is being read already, or the worker thread died.
   */
  async *events(signal: AbortSignal): AsyncGenerator<Uint8Array[]> {
    if (this.#reader) throw new Error("this ring buffer is being read already");
    const reader = new Reader(dup(this.#fd), { ringSize: this.#size, start: this.#position() });
    this.#reader = reader;
    const stop = () => reader.stop();
    signal.addEventListener("abort", stop);
    try {
      if (signal.aborted) return;
      for (let batch = await reader.next(); batch; batch = await reader.next()) {
        this.#records += batch.lengths.length;
        this.#bytes += batch.bytes.length;
        yield recordsOf(batch);
      }
    } finally {
      signal.removeEventListener("abort", stop);
      await reader.finish();
      this.#reader = undefined;
    }
  }

  statistics(): RingBufferStatistics {
    const producer = new BigInt64Array(this.#producerPage.buffer, 0, 1);
    return {
      records: this.#records,
      bytes: this.#bytes,
      pendingBytes: Number(Atomics.load(producer, 0) - this.#position()),
      sizeBytes: this.#size,
    };
  }

  /** Closes the ring. @throws Error while it is being read: abort first. */
  [Symbol.dispose](): void {
    if (this.#reader) throw new Error("this ring buffer is being read: abort first");
    munmap(this.#consumerPage);
    munmap(this.#producerPage);
    close(this.#fd);
  }

  /** The consumer position, where reading goes on. */
  #position(): bigint {
    return Atomics.load(new BigInt64Array(this.#consumerPage.buffer, 0, 1), 0);
  }
}

function recordsOf({ bytes, lengths }: Batch): Uint8Array[] {
  let at = 0;
  return Array.from(lengths, (length) => bytes.subarray(at, (at += length)));
}

/** One run of the worker thread. Never terminated from outside: that hangs while it waits in the kernel. */
class Reader {
  readonly #control = new BigInt64Array(new SharedArrayBuffer(16));
  readonly #ringFd: number;
  readonly #wakeFd = eventfd();
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #stopAtExit = () => this.stop();
  #batch: Batch | undefined;
  #failure: unknown;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(ringFd: number, options: { ringSize: number; start: bigint }) {
    this.#ringFd = ringFd;
    this.#control[0] = options.start;
    const workerData: ReaderData = {
      koffi: nativeModulePath(),
      ringFd,
      wakeFd: this.#wakeFd,
      pageSize,
      ringSize: options.ringSize,
      control: this.#control,
      batchRecords: 8192,
    };
    this.#worker = new Worker(`(${readRing})(require)`, {
      eval: true,
      workerData,
      name: "ring buffer",
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: 4, maxOldGenerationSizeMb: 32 },
    });
    this.#worker.on("message", (batch: Batch) => this.#set(batch));
    this.#worker.on("error", (error) => (this.#failure = error));
    this.#exited = new Promise((resolve) =>
      this.#worker.on("exit", () => {
        this.#ended = true;
        this.#wake?.();
        resolve();
      }),
    );
    // A process that exits waits for its threads: let this one go.
    process.on("exit", this.#stopAtExit);
  }

  /** The next batch, which counts as handed out from here on; undefined once stopped. */
  async next(): Promise<Batch | undefined> {
    while (!this.#batch && !this.#ended && !this.#isStopping())
      await new Promise<void>((resolve) => (this.#wake = resolve));
    if (this.#failure) throw new Error("the ring buffer reader died", { cause: this.#failure });
    if (this.#isStopping()) return undefined;
    const batch = this.#batch;
    this.#batch = undefined;
    if (batch) {
      Atomics.store(this.#control, 0, batch.end);
      signalEvent(this.#wakeFd);
    }
    return batch;
  }

  stop(): void {
    Atomics.store(this.#control, 1, 1n);
    signalEvent(this.#wakeFd);
    this.#wake?.();
  }

  /** Stops, waits for the thread and lets go of its descriptors. */
  async finish(): Promise<void> {
    this.stop();
    await this.#exited;
    process.removeListener("exit", this.#stopAtExit);
    close(this.#wakeFd);
    close(this.#ringFd);
  }

  #isStopping(): boolean {
    return Atomics.load(this.#control, 1) !== 0n;
  }

  #set(batch: Batch): void {
    this.#batch = batch;
    this.#wake?.();
  }
}
