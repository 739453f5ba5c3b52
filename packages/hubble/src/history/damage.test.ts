import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  appendFileSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import type { Flow } from "../model.ts";
import { BusyNode, randomNumbers } from "./testing/flows.ts";
import { all, Folder } from "./testing/folder.ts";

async function filled(folder: Folder, count: number): Promise<Map<number, Flow>> {
  const flows = new BusyNode({ seed: 1, pods: 20 }).next(count);
  await using history = await folder.open({ blockFlows: 100, maxBytes: 1 << 20 });
  history.append(flows);
  return new Map(flows.map((flow) => [flow.sequence, flow]));
}

test("of a torn file everything before the tear is there, and new flows come behind it", async () => {
  using folder = new Folder();
  const before = await filled(folder, 3000);
  const [name] = readdirSync(folder.path).filter((one) => /^flows-\d+/.test(one));
  assert.ok(name);
  const path = join(folder.path, name);
  truncateSync(path, statSync(path).size - 50);
  const more = new BusyNode({ seed: 2, pods: 20, firstSequence: 10_000 }).next(1000);
  {
    await using history = await folder.open({ blockFlows: 100 });
    assert.equal(history.statistics().corruptBlocks, 1);
    history.append(more);
  }
  await using history = await folder.open({ blockFlows: 100 });
  const found = await all(history, "oldest");
  for (const flow of found.filter(({ sequence }) => sequence < 10_000))
    assert.deepEqual(flow, before.get(flow.sequence));
  assert.equal(found.length, before.size - 100 + more.length);
  assert.deepEqual(found.slice(-more.length), more);
  assert.equal(history.statistics().corruptBlocks, 0);
});

test("damage anywhere costs the blocks that it hits: what is found is what was stored", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = randomNumbers(seed);
  using origin = new Folder();
  const stored = await filled(origin, 3000);
  const names = readdirSync(origin.path).filter((name) => name.endsWith(".v1"));
  for (let round = 0; round < 15; round++) {
    using folder = new Folder();
    for (const name of names) copyFileSync(join(origin.path, name), join(folder.path, name));
    for (let hit = 0; hit < 1 + (round % 5); hit++)
      damage(join(folder.path, names[Math.floor(random() * names.length)] as string), random);
    await using history = await folder.open({ blockFlows: 100 });
    const found = await all(history, round % 2 === 0 ? "oldest" : "newest");
    for (const flow of found) assert.deepEqual(flow, stored.get(flow.sequence), `seed ${seed}`);
    assert.equal(new Set(found.map(({ sequence }) => sequence)).size, found.length);
    if (found.length < stored.size)
      assert.ok(history.statistics().corruptBlocks > 0, `seed ${seed} round ${round}`);
    assert.ok(found.length > 0 || names.length < 4);
    const { lastSequence } = history;
    history.append(new BusyNode({ seed: 9, firstSequence: lastSequence + 1 }).next(10));
    assert.equal(history.lastSequence, lastSequence + 10);
  }
});

/** Bits, whole pages, cuts, rubbish behind: what disks and crashes do. */
function damage(path: string, random: () => number): void {
  const bytes = readFileSync(path);
  // Behind the file's own header: a file cut off before it is one that was never begun.
  const at = 40 + Math.floor(random() * (bytes.length - 40));
  const kind = Math.floor(random() * 5);
  if (kind === 0) bytes[at] = (bytes[at] as number) ^ (1 << Math.floor(random() * 8));
  if (kind === 1) bytes.fill(0, at, Math.min(at + 4096, bytes.length));
  if (kind === 2) bytes.copy(bytes, at, 0, 2000);
  writeFileSync(path, kind === 3 ? bytes.subarray(0, at) : bytes);
  if (kind === 4) appendFileSync(path, bytes.subarray(0, at));
}

test("after kill -9 everything flushed is there", { timeout: 60_000 }, async () => {
  using folder = new Folder();
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "testing/writer.ts"), folder.path],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const ended = new Promise((resolve) => child.once("exit", resolve));
  let flushed = 0;
  for await (const line of createInterface(child.stdout)) {
    flushed = Number(line);
    if (flushed > 30_000) break;
  }
  child.kill("SIGKILL");
  await ended;
  assert.equal(child.signalCode, "SIGKILL");
  await using history = await folder.open();
  assert.ok(history.lastSequence >= flushed, `${history.lastSequence} of ${flushed}`);
  const found = await all(history, "oldest");
  const expected = new BusyNode({ seed: 1 }).next(history.lastSequence);
  const missing = expected.filter(({ sequence }) => sequence > flushed);
  assert.deepEqual(found.slice(0, flushed), expected.slice(0, flushed));
  assert.ok(found.length - flushed <= missing.length);
  assert.equal(history.statistics().lostFlows, 0);
});
