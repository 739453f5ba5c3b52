import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Flow, type FlowMatcher, type HistoryQuery, Verdict } from "../model.ts";
import { HistoryError } from "./errors.ts";
import type { History } from "./history.ts";
import { BusyNode, randomNumbers } from "./testing/flows.ts";
import { all, anything, Folder } from "./testing/folder.ts";

const day = 86_400_000;

function matcher(matches: (flow: Flow) => boolean, mayMatch = () => true): FlowMatcher {
  return { matches, mayMatch };
}

test("whatever was appended is found again, in both orders, with any filter, over restarts: as an array would", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = randomNumbers(seed);
  using folder = new Folder();
  const node = new BusyNode({ seed, pods: 30 });
  const naive: Flow[] = [];
  let history: History | undefined;
  const open = () => folder.open({ blockFlows: 50 });
  try {
    history = await open();
    for (let step = 0; step < 60; step++) {
      const flows = node.next(1 + Math.floor(random() * 60));
      history.append(flows);
      naive.push(...flows);
      if (random() < 0.3) await history.flush();
      if (random() < 0.05) {
        await history.close();
        history = await open();
        assert.equal(history.lastSequence, naive.at(-1)?.sequence);
      }
      if (random() < 0.4) await compare(history, naive, anyQuery(random, naive, node), seed);
    }
    await compare(history, naive, {}, seed);
    const { corruptBlocks, lostFlows, flows, oldestNs } = history.statistics();
    assert.deepEqual(
      { corruptBlocks, lostFlows, flows, oldestNs },
      { corruptBlocks: 0, lostFlows: 0, flows: naive.length, oldestNs: naive[0]?.timeNs },
    );
  } finally {
    await history?.close();
  }
});

function anyQuery(
  random: () => number,
  naive: readonly Flow[],
  node: BusyNode,
): Partial<HistoryQuery> {
  const some = () => naive[Math.floor(random() * naive.length)] as Flow;
  const pod = node.pods[Math.floor(random() * node.pods.length)]?.podName;
  const verdict = Math.floor(random() * 8);
  const isPods = ({ source, destination }: Flow) =>
    source.podName === pod || destination.podName === pod;
  const matchers: FlowMatcher[] = [
    anything,
    {
      matches: isPods,
      mayMatch: ({ endpoints }) => endpoints.some(({ podName }) => podName === pod),
    },
    {
      matches: (flow) => flow.verdict === verdict,
      mayMatch: ({ verdicts }) => (verdicts & (1 << verdict)) !== 0,
    },
    {
      matches: ({ eventType }) => eventType.type === 8,
      mayMatch: ({ eventTypes }) => eventTypes.includes(8),
    },
  ];
  const found = matchers[Math.floor(random() * matchers.length)] as FlowMatcher;
  return {
    matcher: found,
    ...(random() < 0.5 ? {} : { belowSequence: some().sequence }),
    ...(random() < 0.5 ? {} : { sinceNs: some().timeNs }),
    ...(random() < 0.5 ? {} : { untilNs: some().timeNs }),
  };
}

async function compare(
  history: History,
  naive: readonly Flow[],
  query: Partial<HistoryQuery>,
  seed: number,
): Promise<void> {
  const { matcher: wanted = anything, belowSequence = Infinity, sinceNs, untilNs } = query;
  const expected = naive.filter(
    (flow) =>
      flow.sequence < belowSequence &&
      (sinceNs === undefined || flow.timeNs >= sinceNs) &&
      (untilNs === undefined || flow.timeNs <= untilNs) &&
      wanted.matches(flow),
  );
  assert.deepEqual(await all(history, "oldest", query), expected, `seed ${seed}`);
  assert.deepEqual(await all(history, "newest", query), expected.toReversed(), `seed ${seed}`);
}

test("a flood of forwarded flows does not push out drops", async () => {
  using folder = new Folder();
  const node = new BusyNode({ seed: 1 });
  await using history = await folder.open({
    maxBytes: 100_000,
    dropsMaxBytes: 100_000,
    blockFlows: 500,
  });
  const drops: Flow[] = [];
  for (let round = 0; round < 40; round++) {
    const flows = node.next(1000);
    drops.push(...flows.filter(({ verdict }) => verdict === Verdict.dropped));
    history.append(flows);
    await history.flush();
  }
  const { streams } = history.statistics();
  assert.ok(streams.flows.removedFlows > 10_000);
  assert.ok(streams.flows.bytes <= 100_000, `${streams.flows.bytes}`);
  assert.equal(streams.drops.removedFlows, 0);
  const dropped = matcher(({ verdict }) => verdict === Verdict.dropped);
  assert.deepEqual(await all(history, "oldest", { matcher: dropped }), drops);
  const left = await all(history, "newest");
  assert.equal(left.length, history.statistics().flows);
  assert.deepEqual(
    left.map(({ sequence }) => sequence),
    left.map(({ sequence }) => sequence).toSorted((a, b) => b - a),
  );
});

test("flows that are too old are removed with their segment, quiet nodes' too", async () => {
  using folder = new Folder();
  let nowMs = 1_790_000_000_000;
  await using history = await folder.open({ maxAgeMs: day, now: () => nowMs });
  const append = (seed: number) => {
    const firstSequence = history.lastSequence + 1;
    const startNs = BigInt(nowMs) * 1_000_000n;
    history.append(new BusyNode({ seed, startNs, firstSequence }).next(100));
  };
  append(1);
  await history.flush();
  assert.equal(history.statistics().flows, 100);
  nowMs += day / 2;
  await history.flush();
  append(2);
  await history.flush();
  assert.equal(history.statistics().flows, 200);
  nowMs += day / 2 + 10_000;
  await history.flush();
  await history.flush();
  const left = await all(history, "oldest");
  assert.equal(left.length, 100);
  assert.equal(left[0]?.sequence, 101);
  nowMs += day;
  await history.flush();
  assert.equal(history.statistics().flows, 0);
  assert.equal(history.lastSequence, 200);
});

test("a reader goes on while the segments that it reads are removed", async () => {
  using folder = new Folder();
  const node = new BusyNode({ seed: 2 });
  await using history = await folder.open({ maxBytes: 150_000, blockFlows: 200 });
  history.append(node.next(10_000));
  await history.flush();
  const found: Flow[] = [];
  const query = {
    matcher: anything,
    belowSequence: Infinity,
    sinceNs: undefined,
    untilNs: undefined,
  };
  for await (const flows of history.oldestFirst(query, new AbortController().signal)) {
    found.push(...flows);
    history.append(node.next(2000));
    await history.flush();
    if (found.length > 5000) break;
  }
  const sequences = found.map(({ sequence }) => sequence);
  assert.deepEqual(
    sequences,
    sequences.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(sequences).size, sequences.length);
  assert.ok(history.statistics().removedFlows > 0);
  assert.equal(history.statistics().corruptBlocks, 0);
});

test("a query that is aborted ends with the reason", async () => {
  using folder = new Folder();
  await using history = await folder.open({ blockFlows: 100 });
  history.append(new BusyNode({ seed: 3 }).next(2000));
  const abort = new AbortController();
  const query = {
    matcher: anything,
    belowSequence: Infinity,
    sinceNs: undefined,
    untilNs: undefined,
  };
  await assert.rejects(
    async () => {
      for await (const flows of history.newestFirst(query, abort.signal)) {
        assert.ok(flows.length > 0);
        abort.abort();
      }
    },
    { name: "AbortError" },
  );
});

test("blocks without any wanted flow are not read", async () => {
  using folder = new Folder();
  await using history = await folder.open({ blockFlows: 100 });
  history.append(new BusyNode({ seed: 4 }).next(3000));
  await history.flush();
  let looked = 0;
  const found = await all(history, "newest", {
    matcher: matcher(
      () => looked++ < 0,
      () => false,
    ),
  });
  assert.deepEqual(found, []);
  // Those that are in no block yet.
  assert.ok(looked < 200, `${looked}`);
});

test("an error of the filter is the reader's, not a damaged block", async () => {
  using folder = new Folder();
  await using history = await folder.open({ blockFlows: 100 });
  history.append(new BusyNode({ seed: 4 }).next(300));
  await history.flush();
  const broken = matcher(() => {
    throw new TypeError("no such field");
  });
  await assert.rejects(all(history, "oldest", { matcher: broken }), TypeError);
  assert.equal(history.statistics().corruptBlocks, 0);
});

test("one process writes a folder", async () => {
  using folder = new Folder();
  const first = await folder.open();
  await assert.rejects(folder.open(), isLocked);
  await first.close();
  await using second = await folder.open();
  assert.equal(second.lastSequence, 0);
});

function isLocked(error: unknown): boolean {
  return error instanceof HistoryError && error.code === "locked";
}

test("nobody else may look into the folder or its files", async () => {
  using folder = new Folder();
  await using history = await folder.open({ folder: join(folder.path, "hubble"), blockFlows: 10 });
  history.append(new BusyNode({ seed: 1 }).next(2000));
  await history.flush();
  const home = join(folder.path, "hubble");
  assert.equal(statSync(home).mode & 0o777, 0o700);
  const names = readdirSync(home);
  assert.ok(names.length >= 4, names.join());
  for (const name of names) assert.equal(statSync(join(home, name)).mode & 0o777, 0o600, name);
});

test("files of newer versions are left alone", async () => {
  using folder = new Folder();
  const newer = Buffer.alloc(100);
  newer.write("TSILFLOW");
  newer.writeUInt32LE(2, 8);
  const names = ["flows-0000000000000001.v2", "flows-0000000000000002.v1", "drops-journal.v3"];
  for (const name of names) writeFileSync(join(folder.path, name), newer);
  writeFileSync(join(folder.path, "notes.txt"), "mine");
  await using history = await folder.open({ maxBytes: 10_000, blockFlows: 50 });
  assert.equal(history.statistics().foreignFiles, 3);
  history.append(new BusyNode({ seed: 1, firstSequence: 10 }).next(5000));
  await history.flush();
  assert.ok(history.statistics().removedFlows > 0);
  for (const name of [...names, "notes.txt"]) assert.ok(existsSync(join(folder.path, name)), name);
});

test("links and folders in a history's place are left alone, and what they lead to is as it was", async () => {
  using folder = new Folder();
  const victim = join(folder.path, "victim");
  writeFileSync(victim, "x".repeat(100));
  const home = join(folder.path, "hubble");
  mkdirSync(home);
  symlinkSync(victim, join(home, "flows-0000000000000001.v1"));
  mkdirSync(join(home, "drops-0000000000000002.v1"));
  {
    await using history = await folder.open({ folder: home });
    assert.equal(history.statistics().foreignFiles, 2);
    history.append(new BusyNode({ seed: 1, firstSequence: 10 }).next(100));
  }
  assert.equal(readFileSync(victim, "utf8"), "x".repeat(100));
  assert.ok(lstatSync(join(home, "flows-0000000000000001.v1")).isSymbolicLink());
  for (const name of ["flows-journal.v1", "lock"]) {
    rmSync(join(home, name), { force: true });
    symlinkSync(victim, join(home, name));
    await assert.rejects(folder.open({ folder: home }), HistoryError);
    rmSync(join(home, name));
  }
  assert.equal(readFileSync(victim, "utf8"), "x".repeat(100));
});

test("a block that leaves no numbers for what comes is none", async () => {
  using folder = new Folder();
  {
    await using history = await folder.open();
    history.append(new BusyNode({ seed: 1, firstSequence: 2 ** 53 - 100 }).next(10));
  }
  await using history = await folder.open();
  assert.deepEqual([history.lastSequence, history.statistics().flows], [0, 0]);
});

test("flows out of order are not kept, and counted", async () => {
  using folder = new Folder();
  await using history = await folder.open();
  const flows = new BusyNode({ seed: 1, firstSequence: 5 }).next(10);
  history.append(flows);
  history.append(flows.slice(3));
  assert.equal(history.statistics().lostFlows, 7);
  assert.deepEqual(await all(history, "oldest"), flows);
});

test("stored and live flows share their endpoints", async () => {
  using folder = new Folder();
  await using history = await folder.open({ blockFlows: 100 });
  const node = new BusyNode({ seed: 1 });
  history.append(node.next(1000));
  await history.flush();
  const live = new Set(node.pods);
  for (const { source } of await all(history, "oldest"))
    if (source.podName !== "") assert.ok(live.has(source));
});

test("a folder that cannot be used is an error that names it, and leaves it free", async () => {
  using folder = new Folder();
  const newer = Buffer.alloc(100);
  newer.write("TSILFLOW");
  newer.writeUInt32LE(2, 8);
  const journal = join(folder.path, "flows-journal.v1");
  writeFileSync(journal, newer);
  await assert.rejects(folder.open(), (error) => {
    assert.ok(error instanceof HistoryError);
    assert.equal(error.code, "folder");
    assert.match(error.message, /flows-journal.v1 has version 2/);
    return true;
  });
  await assert.rejects(folder.open({ folder: journal }), { code: "folder" });
  writeFileSync(journal, "");
  await using history = await folder.open();
  assert.equal(history.statistics().flows, 0);
});
