import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { projectRoot } from "@tsilium/syscall";
import { loadCollection } from "../kernel/collection.ts";
import { parseObject } from "../object/collection-spec.ts";
import { testObject } from "../testing/compile.ts";
import { RingBuffer } from "./ring-buffer.ts";

/** A loaded emitter of numbered samples, and its ring. */
function start() {
  const loaded = loadCollection(parseObject(testObject("basics")), { programs: ["emit_sample"] });
  const ring = RingBuffer.open(loaded.map("samples"));
  const data = new Uint8Array(64);
  return {
    ring,
    emit: (count: number) => loaded.program("emit_sample").testRun({ data, repeat: count }),
    [Symbol.dispose]() {
      ring[Symbol.dispose]();
      loaded[Symbol.dispose]();
    },
  };
}

const numberOf = (record: Uint8Array) =>
  Number(new DataView(record.buffer, record.byteOffset).getBigUint64(0, true));

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

  test("what was read ahead but never handed out is there for the next reader", async () => {
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
