// BPF_MAP_TYPE_RINGBUF, read by looking: nobody waits in the kernel and nobody is woken. Records are handled where
// they lie, in pages shared with the kernel, in the order in which programs reserved them.
//
//   consumer (programs may write over what is before it) .. stepped over by the running read .. producer
//
// The consumer position moves when a read ends, so what was not handled is read again: by the next one, or, after a
// kill -9, by the next process (which then sees again what the interrupted read had handled). Positions count bytes
// since the ring was made. A ring takes one reader at a time, on the whole machine.
import {
  close,
  MAP_SHARED,
  mmap,
  munmap,
  pageSize,
  PROT_READ,
  PROT_WRITE,
  type Mapping,
} from "@tsilium/syscall";
import { setImmediate, setTimeout } from "node:timers/promises";
import { ObjectError } from "../errors.ts";
import type { BpfMap } from "../kernel/map.ts";
import { activePollMs, nextPollMs } from "./pace.ts";
import { RingReading, type RingMemory, type RingPages } from "./ring-reading.ts";

/** Handles the record of `length` bytes at `at`. Must neither read nor close the ring, and keep nothing of the memory. */
export type RecordHandler = (memory: RingMemory, at: number, length: number) => void;

export type RingBufferStatistics = {
  /** In the ring now, headers included. */
  readonly pendingBytes: number;
  readonly sizeBytes: number;
};

/** Records per drain or batch, unless told otherwise. */
const defaultLimit = 4096;

export class RingBuffer implements Disposable {
  readonly #fd: number;
  readonly #mappings: readonly Mapping[];
  readonly #pages: RingPages;
  #state: "idle" | "being read already" | "closed" = "idle";

  private constructor(fd: number, size: number) {
    this.#fd = fd;
    const shared = { fd, flags: MAP_SHARED };
    const consumer = mmap({ ...shared, length: pageSize, protection: PROT_READ | PROT_WRITE });
    // The data pages follow the producer's, twice in a row, so that a record that wraps around still lies in one piece.
    const length = pageSize + 2 * size;
    const producer = mmap({ ...shared, length, protection: PROT_READ, offset: pageSize });
    this.#mappings = [consumer, producer];
    this.#pages = {
      size,
      consumer: new BigInt64Array(consumer.buffer, 0, 1),
      producer: new BigInt64Array(producer.buffer, 0, 1),
      headers: new Int32Array(producer.buffer, pageSize, (2 * size) / 4),
      memory: {
        bytes: new Uint8Array(producer.buffer, pageSize, 2 * size),
        view: new DataView(producer.buffer, pageSize, 2 * size),
      },
    };
  }

  /** Opens a ring buffer map; the map may be closed afterwards. @throws ObjectError map_invalid, SyscallError */
  static open(map: Pick<BpfMap, "name" | "type" | "maxEntries" | "duplicate">): RingBuffer {
    if (map.type !== "ringbuf")
      throw new ObjectError("map_invalid", `map ${map.name} is a ${map.type}, not a ring buffer`);
    const fd = map.duplicate();
    try {
      return new RingBuffer(fd, map.maxEntries);
    } catch (error) {
      close(fd);
      throw error;
    }
  }

  /**
   * Begins a pass over the records, which ends when it is disposed of. Copies nothing, does not wait, costs no system
   * call. @throws Error when the ring is being read already, or closed
   */
  read(): RingReading {
    this.#expectIdle();
    this.#state = "being read already";
    return new RingReading(this.#pages, () => (this.#state = "idle"));
  }

  /**
   * Hands every record that is complete to `handle`, at most `limit`, and answers how many there were. When `handle`
   * throws, its record and those behind it stay. @throws as `read`, and what `handle` throws
   */
  drain(handle: RecordHandler, limit: number = defaultLimit): number {
    using reading = this.read();
    let records = 0;
    while (records < limit && reading.peek()) {
      handle(reading.memory, reading.at, reading.length);
      reading.step();
      records++;
    }
    return records;
  }

  /**
   * Copies of records in batches, until `signal` aborts (then it just ends) or the loop is left. A batch counts as
   * handled when the loop comes back for the next one, or is left: the next reader goes on behind it. Looks every 20 ms,
   * on a quiet ring every 100 ms; a process that waits for records stays alive.
   * @throws Error when the ring is being read already, or closed
   */
  async *events(signal: AbortSignal): AsyncGenerator<Uint8Array[]> {
    using reading = this.read();
    let waitMs = activePollMs;
    while (!signal.aborted) {
      const batch = copies(reading, defaultLimit);
      if (batch.length > 0) yield batch;
      reading.release();
      waitMs = nextPollMs(waitMs, batch.length);
      // A full batch means more: but others have their turn before it.
      if (batch.length >= defaultLimit) await setImmediate();
      else await setTimeout(waitMs, undefined, { signal }).catch(() => {});
    }
  }

  /** @throws Error when it is closed */
  statistics(): RingBufferStatistics {
    if (this.#state === "closed") throw new Error("this ring buffer is closed");
    const { producer, consumer, size } = this.#pages;
    const pending = Atomics.load(producer, 0) - Atomics.load(consumer, 0);
    return { pendingBytes: Number(pending), sizeBytes: size };
  }

  /** Closes the ring; again does nothing. @throws Error while it is being read */
  [Symbol.dispose](): void {
    if (this.#state === "closed") return;
    this.#expectIdle();
    this.#state = "closed";
    for (const mapping of this.#mappings) munmap(mapping);
    close(this.#fd);
  }

  #expectIdle(): void {
    if (this.#state !== "idle") throw new Error(`this ring buffer is ${this.#state}`);
  }
}

/** The next records, at most `limit`, in one piece of memory. */
function copies(reading: RingReading, limit: number): Uint8Array[] {
  const lengths: number[] = [];
  let copied = new Uint8Array(4096);
  let end = 0;
  while (lengths.length < limit && reading.peek()) {
    const { memory, at, length } = reading;
    if (end + length > copied.length) copied = grown(copied, end + length);
    copied.set(memory.bytes.subarray(at, at + length), end);
    end += length;
    lengths.push(length);
    reading.step();
  }
  let at = 0;
  return lengths.map((length) => copied.subarray(at, (at += length)));
}

function grown(bytes: Uint8Array, needed: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(needed, bytes.length * 2));
  larger.set(bytes);
  return larger;
}
