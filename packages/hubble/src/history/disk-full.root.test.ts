// A disk that is full: a tmpfs of one megabyte.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { History } from "./history.ts";
import { BusyNode } from "./testing/flows.ts";
import { all, Folder } from "./testing/folder.ts";

class SmallDisk implements Disposable {
  readonly #folder = new Folder();

  constructor(bytes: number) {
    const options = ["-o", `size=${bytes}`];
    execFileSync("mount", ["-t", "tmpfs", ...options, "tsilium-test", this.#folder.path]);
  }

  get path(): string {
    return this.#folder.path;
  }

  [Symbol.dispose](): void {
    execFileSync("umount", [this.path]);
    this.#folder[Symbol.dispose]();
  }
}

function open(disk: SmallDisk): Promise<History> {
  return History.open({
    folder: join(disk.path, "hubble"),
    // More than the disk has: somebody else may need it too.
    maxBytes: 8 << 20,
    dropsMaxBytes: 1 << 20,
    maxAgeMs: 1e15,
    flushIntervalMs: 1e9,
    blockFlows: 500,
  });
}

test("on a full disk the oldest flows make room for new ones, drops last", async () => {
  using disk = new SmallDisk(1 << 20);
  const node = new BusyNode({ seed: 1 });
  {
    await using history = await open(disk);
    for (let round = 0; round < 200; round++) {
      history.append(node.next(1000));
      await history.flush();
    }
    const { removedFlows, lostFlows, streams } = history.statistics();
    assert.ok(removedFlows > 10_000, `${removedFlows}`);
    assert.equal(streams.drops.removedFlows, 0);
    assert.equal(lostFlows, 0);
  }
  await using history = await open(disk);
  const { corruptBlocks, flows } = history.statistics();
  assert.equal(corruptBlocks, 0);
  assert.equal((await all(history, "newest")).length, flows);
  assert.ok(flows > 10_000);
});

test("where nothing can be removed flows are counted as lost, and kept again once there is space", async () => {
  using disk = new SmallDisk(1 << 20);
  const node = new BusyNode({ seed: 2 });
  await using history = await open(disk);
  const ballast = join(disk.path, "ballast");
  try {
    writeFileSync(ballast, Buffer.alloc(2 << 20));
  } catch {
    // It is as large as it could get.
  }
  for (let round = 0; round < 20; round++) {
    history.append(node.next(1000));
    await history.flush();
  }
  const full = history.statistics();
  assert.match(full.writeError ?? "", /ENOSPC/);
  assert.ok(full.lostFlows > 15_000);
  writeFileSync(ballast, "");
  history.append(node.next(1000));
  await history.flush();
  const { lostFlows, writeError, flows } = history.statistics();
  assert.equal(lostFlows, full.lostFlows);
  assert.equal(writeError, undefined);
  assert.equal((await all(history, "newest")).length, flows);
  assert.ok(flows >= 1000);
});
