// What only another CPU can do to a ring at a reader's bad moment, done to a file that is laid out like one.
import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { dup, pageSize } from "@tsilium/syscall";
import { activePollMs, idlePollMs, nextPollMs } from "./pace.ts";
import { RingBuffer } from "./ring-buffer.ts";

const size = 4096;
const busy = 0x8000_0000;

/** A ring of 16 byte slots: a header and a number each. */
function fileRing() {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-ring-"));
  const path = join(folder, "ring");
  const fd = openSync(path, "w+");
  truncateSync(path, 2 * pageSize + 2 * size);
  const write = (at: number, value: bigint) => writeSync(fd, new BigUint64Array([value]), 0, 8, at);
  const ring = RingBuffer.open({
    name: "file",
    type: "ringbuf",
    maxEntries: size,
    duplicate: () => dup(fd),
  });
  return {
    ring,
    reserve: (slot: number) => {
      write(2 * pageSize + slot * 16, BigInt(busy + 8));
      write(pageSize, BigInt((slot + 1) * 16));
    },
    submit: (slot: number) => {
      write(2 * pageSize + slot * 16 + 8, BigInt(slot));
      write(2 * pageSize + slot * 16, 8n);
    },
    [Symbol.dispose]() {
      ring[Symbol.dispose]();
      closeSync(fd);
      rmSync(folder, { recursive: true });
    },
  };
}

function drained(ring: RingBuffer): number[] {
  const numbers: number[] = [];
  ring.drain(({ view }, at) => numbers.push(Number(view.getBigUint64(at, true))));
  return numbers;
}

test("a record that is still written holds back those behind it, and no longer", () => {
  using file = fileRing();
  for (const slot of [0, 1, 2]) file.reserve(slot);
  file.submit(0);
  file.submit(2);
  assert.deepEqual(drained(file.ring), [0]);
  assert.deepEqual(drained(file.ring), []);
  file.submit(1);
  assert.deepEqual(drained(file.ring), [1, 2]);
});

test("a ring is looked at often while records come, ever less often while none do", () => {
  assert.equal(nextPollMs(idlePollMs, 1), activePollMs);
  const waits = [activePollMs];
  for (let look = 0; look < 4; look++) waits.push(nextPollMs(waits.at(-1) ?? 0, 0));
  assert.deepEqual(waits, [20, 40, 80, 100, 100]);
});
