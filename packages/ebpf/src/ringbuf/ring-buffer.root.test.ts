import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { projectRoot } from "@tsilium/syscall";
import { loadCollection } from "../kernel/collection.ts";
import { parseObject } from "../object/collection-spec.ts";
import { compileSource, testObject } from "../testing/compile.ts";
import { RingBuffer } from "./ring-buffer.ts";

/** A loaded emitter of numbered samples, and its ring. */
function start() {
  const loaded = loadCollection(parseObject(testObject("basics")), { programs: ["emit_sample"] });
  const ring = RingBuffer.open(loaded.map("samples"));
  const data = new Uint8Array(64);
  return {
    ring,
    mapId: loaded.map("samples").info().id,
    emit: (count: number) => loaded.program("emit_sample").testRun({ data, repeat: count }),
    [Symbol.dispose]() {
      ring[Symbol.dispose]();
      loaded[Symbol.dispose]();
    },
  };
}

const numberOf = (record: Uint8Array) =>
  Number(new DataView(record.buffer, record.byteOffset).getBigUint64(0, true));

/** The numbers of what lies in the ring now. */
function drained(ring: RingBuffer, limit?: number): number[] {
  const numbers: number[] = [];
  ring.drain(({ view }, at) => numbers.push(Number(view.getBigUint64(at, true))), limit);
  return numbers;
}

/** Sends every second number, and throws the others away. */
const discarding = `
  struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring SEC(".maps");
  __u64 runs = 0;
  SEC("tc") int emit(struct __sk_buff *ctx) {
    __u64 number = __sync_fetch_and_add(&runs, ctx->len ? 1 : 2);
    __u64 *record = bpf_ringbuf_reserve(&ring, sizeof(*record), 0);
    if (!record)
      return 0;
    *record = number;
    if (number & 1)
      bpf_ringbuf_submit(record, BPF_RB_NO_WAKEUP);
    else
      bpf_ringbuf_discard(record, BPF_RB_NO_WAKEUP);
    return 0;
  }
`;

/** Reads at least `count` records, or whatever comes until `timeoutMs` has passed. */
async function read(ring: RingBuffer, count: number, timeoutMs = 5000): Promise<number[]> {
  const numbers: number[] = [];
  for await (const batch of ring.events(AbortSignal.timeout(timeoutMs))) {
    numbers.push(...batch.map(numberOf));
    if (numbers.length >= count) break;
  }
  return numbers;
}

const upTo = (start: number, end: number) =>
  Array.from({ length: end - start }, (_, index) => start + index);

describe("RingBuffer", () => {
  test("records sent before and after reading began arrive in order", async () => {
    using emitter = start();
    emitter.emit(10);
    const reading = read(emitter.ring, 30);
    await sleep(50);
    emitter.emit(20);
    assert.deepEqual(await reading, upTo(0, 30));
  });

  test("readers that come and go lose nothing and see nothing twice", async () => {
    using emitter = start();
    const numbers: number[] = [];
    for (let round = 0; round < 5; round++) {
      emitter.emit(100);
      numbers.push(...(await read(emitter.ring, 1)));
    }
    assert.deepEqual(numbers, upTo(0, 500));
  });

  test("what was never handed out is there for the next reader", async () => {
    using emitter = start();
    emitter.emit(5);
    const events = emitter.ring.events(AbortSignal.timeout(5000));
    const first = await events.next();
    assert.equal(first.value?.length, 5);
    emitter.emit(7);
    await sleep(50);
    await events.return(undefined);
    assert.deepEqual(await read(emitter.ring, 7), upTo(5, 12));
  });

  test("draining handles each record where it lies, up to a limit, and goes on behind it", () => {
    using emitter = start();
    emitter.emit(10);
    assert.deepEqual(drained(emitter.ring, 4), upTo(0, 4));
    assert.deepEqual(drained(emitter.ring), upTo(4, 10));
    assert.deepEqual(drained(emitter.ring), []);
    assert.deepEqual(emitter.ring.statistics(), { pendingBytes: 0, sizeBytes: 65_536 });
  });

  test("records that lie across the ring's end come whole", () => {
    using emitter = start();
    const numbers: number[] = [];
    // 24 bytes do not divide the ring's size: sooner or later every place in it is a record's.
    for (let round = 0; round < 40; round++) {
      emitter.emit(2000);
      numbers.push(...drained(emitter.ring));
    }
    assert.deepEqual(numbers, upTo(0, 80_000));
  });

  test("a record whose handler throws is handled again, and those behind it", () => {
    using emitter = start();
    emitter.emit(5);
    const failing = () =>
      emitter.ring.drain(({ view }, at) => {
        if (view.getBigUint64(at, true) === 2n) throw new Error("not this one");
      });
    assert.throws(failing, /not this one/);
    assert.deepEqual(drained(emitter.ring), [2, 3, 4]);
  });

  test("records that were thrown away by their program are passed over", () => {
    using loaded = loadCollection(parseObject(compileSource(discarding)));
    using ring = RingBuffer.open(loaded.map("ring"));
    loaded.program("emit").testRun({ data: new Uint8Array(64), repeat: 9 });
    assert.deepEqual(drained(ring), [1, 3, 5, 7]);
    assert.equal(ring.statistics().pendingBytes, 0, "also the last one, thrown away");
  });

  test("after a kill -9 the next process handles what was not, and again what the last drain had", () => {
    using emitter = start();
    emitter.emit(10);
    const script = `
      import { BpfMap, RingBuffer } from "@tsilium/ebpf";
      const ring = RingBuffer.open(BpfMap.fromId(${emitter.mapId}));
      ring.drain(() => {}, 3);
      let handled = 0;
      ring.drain(() => { if (++handled === 4) process.kill(process.pid, "SIGKILL"); });`;
    const { signal } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      cwd: projectRoot(),
      timeout: 10_000,
    });
    assert.equal(signal, "SIGKILL");
    assert.deepEqual(drained(emitter.ring), upTo(3, 10));
  });

  test("a slow consumer holds the ring back; order and count survive a full one", async () => {
    using emitter = start();
    const numbers: number[] = [];
    let sent = 1;
    emitter.emit(1);
    const stop = new AbortController();
    for await (const batch of emitter.ring.events(
      AbortSignal.any([stop.signal, AbortSignal.timeout(10_000)]),
    )) {
      numbers.push(...batch.map(numberOf));
      if (numbers.length > 20_000) stop.abort();
      // 65536 bytes hold 2730 records of 24 bytes: more than fit are offered each time.
      emitter.emit(4000);
      sent += 4000;
      await sleep(5);
    }
    assert.deepEqual(numbers, upTo(0, numbers.length));
    assert.ok(sent > numbers.length);
  });

  test("an aborted signal ends the loop quietly, before or while waiting", async () => {
    using emitter = start();
    assert.deepEqual(await read(emitter.ring, 1, 0), []);
    assert.deepEqual(await read(emitter.ring, 1, 50), []);
    assert.equal(emitter.ring.statistics().pendingBytes, 0);
  });

  test("a handler can neither read nor close the ring under itself", () => {
    using emitter = start();
    emitter.emit(1);
    assert.throws(() => emitter.ring.drain(() => emitter.ring[Symbol.dispose]()), /being read/);
    assert.throws(() => emitter.ring.drain(() => drained(emitter.ring)), /being read/);
    assert.deepEqual(drained(emitter.ring), [0]);
    emitter.ring[Symbol.dispose]();
    assert.throws(() => drained(emitter.ring), /closed/);
    assert.throws(() => emitter.ring.statistics(), /closed/);
  });

  test("there is one reader at a time, and no closing under it", async () => {
    using emitter = start();
    const first = emitter.ring.events(AbortSignal.timeout(5000));
    const waiting = first.next();
    await sleep(20);
    await assert.rejects(emitter.ring.events(AbortSignal.timeout(1)).next(), /being read already/);
    assert.throws(() => emitter.ring[Symbol.dispose](), /being read/);
    emitter.emit(1);
    await waiting;
    await first.return(undefined);
  });

  test("a process that exits while waiting does not hang", () => {
    const script = `
      import { BpfMap, RingBuffer } from "@tsilium/ebpf";
      const ring = RingBuffer.open(BpfMap.create({ type: "ringbuf", keySize: 0, valueSize: 0, maxEntries: 4096 }));
      setTimeout(() => process.exit(7), 100);
      for await (const _ of ring.events(new AbortController().signal));`;
    const { status } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      cwd: projectRoot(),
      timeout: 5000,
    });
    assert.equal(status, 7);
  });
});
