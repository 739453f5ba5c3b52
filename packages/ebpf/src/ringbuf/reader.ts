// The part of the ring buffer reader that runs in a worker thread. Its source text is handed to the worker, so
// it refers to nothing outside itself; bundlers move modules, but a function's text stays whole.
//
// Positions count bytes since the ring was made. Between consumer and producer:
//
//   consumer (kernel frees up to here) .. acknowledged .. position (copied and posted) .. producer
//
// The consumer position moves only to what the main thread has handed out, so whatever was read ahead when
// reading stops is read again next time.

/** What the worker is started with. */
export type ReaderData = {
  /** Module path of koffi. */
  readonly koffi: string;
  readonly ringFd: number;
  readonly wakeFd: number;
  readonly pageSize: number;
  /** Bytes of the ring. */
  readonly ringSize: number;
  /** [0]: acknowledged position, [1]: 1 to stop. */
  readonly control: BigInt64Array;
  /** Most records in one batch. */
  readonly batchRecords: number;
};

/** Records copied out of the ring, one after the other. */
export type Batch = {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly lengths: Uint32Array<ArrayBuffer>;
  /** Position behind the last record. */
  readonly end: bigint;
};

/** Runs until told to stop. @param require the worker's own. */
export function readRing(require: NodeJS.Require): void {
  const { workerData, parentPort } =
    require("node:worker_threads") as typeof import("node:worker_threads");
  const data = workerData as ReaderData;
  const koffi = require(data.koffi) as typeof import("koffi");
  const { ringFd, wakeFd, pageSize, ringSize, control, batchRecords } = data;
  const headerSize = 8;
  const busyBit = 0x80000000;
  const discardBit = 0x40000000;
  // EPOLLIN | EPOLLET: level-triggered, unacknowledged records would wake this loop for ever.
  const readyEdge = 0x80000001;
  const addOperation = 1;
  const closeOnExec = 0o2000000;

  const libc = koffi.load(null);
  const mmap = libc.func("intptr_t mmap(void *, size_t, int, int, int, int64_t)");
  const munmap = libc.func("int munmap(intptr_t, size_t)");
  const epollCreate = libc.func("int epoll_create1(int)");
  const epollCtl = libc.func("int epoll_ctl(int, int, int, void *)");
  const epollWait = libc.func("int epoll_wait(int, void *, int, int)");
  const close = libc.func("int close(int)");

  const map = (length: number, protection: number, offset: number) => {
    const address = BigInt(mmap(null, length, protection, 1, ringFd, offset));
    if (address === -1n) throw new Error(`mmap of ring buffer: errno ${koffi.errno()}`);
    return { address, length, buffer: koffi.view(address, length) };
  };
  const consumerPage = map(pageSize, 3, 0);
  const producerPages = map(pageSize + 2 * ringSize, 1, pageSize);
  const consumer = new BigInt64Array(consumerPage.buffer, 0, 1);
  const producer = new BigInt64Array(producerPages.buffer, 0, 1);
  // The data area is mapped twice in a row, so a record that wraps around still lies in one piece.
  const headers = new Int32Array(producerPages.buffer, pageSize, (2 * ringSize) / 4);
  const ring = new Uint8Array(producerPages.buffer, pageSize, 2 * ringSize);

  const epoll = epollCreate(closeOnExec) as number;
  for (const fd of [ringFd, wakeFd]) {
    const event = new DataView(new ArrayBuffer(16));
    event.setUint32(0, readyEdge, true);
    if (epollCtl(epoll, addOperation, fd, new Uint8Array(event.buffer)) !== 0)
      throw new Error(`epoll of ring buffer: errno ${koffi.errno()}`);
  }

  const acknowledge = () => {
    const acknowledged = Atomics.load(control, 0);
    if (acknowledged > Atomics.load(consumer, 0)) Atomics.store(consumer, 0, acknowledged);
    return acknowledged;
  };

  let position = Atomics.load(consumer, 0);
  /** End of the batch that the main thread has not handed out yet. */
  let posted = position;

  const readBatch = (): Batch | undefined => {
    const produced = Atomics.load(producer, 0);
    const found: { at: number; length: number }[] = [];
    let total = 0;
    let end = position;
    while (end < produced && found.length < batchRecords) {
      const at = Number(end & BigInt(ringSize - 1));
      const header = Atomics.load(headers, at / 4) >>> 0;
      // Reserved and not yet submitted: everything behind it waits, so that order is kept.
      if ((header & busyBit) !== 0) break;
      const length = (header & ~(busyBit | discardBit)) >>> 0;
      if ((header & discardBit) === 0) {
        found.push({ at: at + headerSize, length });
        total += length;
      }
      end += BigInt((headerSize + length + 7) & ~7);
    }
    if (end === position) return undefined;
    position = end;
    const bytes = new Uint8Array(total);
    const lengths = new Uint32Array(found.length);
    let to = 0;
    found.forEach(({ at, length }, index) => {
      bytes.set(ring.subarray(at, at + length), to);
      lengths[index] = length;
      to += length;
    });
    return { bytes, lengths, end };
  };

  const events = new Uint8Array(64);
  while (Atomics.load(control, 1) === 0n) {
    // The kernel wakes readers only for the record at the consumer position: store it first, then look.
    const acknowledged = acknowledge();
    if (acknowledged >= posted) {
      const batch = readBatch();
      if (batch && batch.lengths.length > 0) {
        posted = batch.end;
        parentPort?.postMessage(batch, [batch.bytes.buffer, batch.lengths.buffer]);
        continue;
      }
      if (batch) {
        // Only discarded records: nobody needs to hear of them.
        posted = batch.end;
        Atomics.store(control, 0, batch.end);
        continue;
      }
    }
    epollWait(epoll, events, 4, -1);
  }

  acknowledge();
  close(epoll);
  munmap(consumerPage.address, consumerPage.length);
  munmap(producerPages.address, producerPages.length);
}
