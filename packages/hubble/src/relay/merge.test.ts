import assert from "node:assert/strict";
import { test } from "node:test";
import { FlowMerge, type MergeOptions } from "./merge.ts";
import type { MergeSource } from "./source.ts";
import { Newest } from "./newest.ts";

const defaults: MergeOptions = {
  follow: false,
  drainMs: 1000,
  reorderMs: 100,
  busyReorderMs: 500,
  capacity: 1000,
  capacityBytes: 1e6,
};
const noBytes = new Uint8Array(0);
const at = (ms: number) => ({
  timeNs: 1_700_000_000_000_000_000n + BigInt(Math.round(ms * 1e6)),
  bytes: noBytes,
});
const msOf = ({ timeNs }: { timeNs: bigint }) => Number(timeNs - 1_700_000_000_000_000_000n) / 1e6;

function popAll(merge: FlowMerge, nowMs: number): number[] {
  const popped: number[] = [];
  for (let next = merge.pop(nowMs); next; next = merge.pop(nowMs)) popped.push(msOf(next));
  return popped;
}

function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Steps of a live stream: [time of arrival, peer, time in the message]. Answers [time of departure, peer] of each. */
function run(
  arrivals: readonly (readonly [number, number, number])[],
  { peers, untilMs, ...options }: Partial<MergeOptions> & { peers: number; untilMs: number },
): { leftMs: number; peer: number; timeMs: number; arrivedMs: number }[] {
  const merge = new FlowMerge({ ...defaults, ...options });
  const sources = Array.from({ length: peers }, () => merge.add(0, { caughtUp: false }));
  const left: { leftMs: number; peer: number; timeMs: number; arrivedMs: number }[] = [];
  const marks = new Map<Uint8Array, { peer: number; arrivedMs: number }>();
  let next = 0;
  for (let nowMs = 0; nowMs <= untilMs; nowMs++) {
    for (; (arrivals[next]?.[0] ?? Number.POSITIVE_INFINITY) <= nowMs; next++) {
      const [, peer, timeMs] = arrivals[next] as readonly [number, number, number];
      const bytes = new Uint8Array(1);
      marks.set(bytes, { peer, arrivedMs: nowMs });
      merge.push(sources[peer] as MergeSource, { timeNs: at(timeMs).timeNs, bytes }, nowMs);
    }
    if (nowMs % 50 === 0) merge.tick(nowMs);
    for (let popped = merge.pop(nowMs); popped; popped = merge.pop(nowMs))
      left.push({
        leftMs: nowMs,
        timeMs: msOf(popped),
        ...(marks.get(popped.bytes) as { peer: number; arrivedMs: number }),
      });
  }
  return left;
}

const isSorted = (values: readonly number[]) =>
  values.every((value, i) => i === 0 || (values[i - 1] as number) <= value);

test("streams that end come out as if all of it had been sorted at once", () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const next = random(seed);
  for (let round = 0; round < 200; round++) {
    const merge = new FlowMerge({ ...defaults, capacity: 1 + Math.floor(next() * 50) });
    const left = Array.from({ length: 1 + Math.floor(next() * 8) }, () =>
      Array.from({ length: Math.floor(next() * 60) }, () => Math.floor(next() * 1000)).toSorted(
        (a, b) => a - b,
      ),
    );
    const expected = left.flat().toSorted((a, b) => a - b);
    const sources = left.map(() => merge.add(0, { caughtUp: false }));
    const got: number[] = [];
    while (!merge.finished) {
      const index = Math.floor(next() * left.length);
      const source = sources[index] as MergeSource;
      const value = left[index]?.[0];
      if (value === undefined) merge.end(source);
      else if (merge.wants(source)) {
        left[index]?.shift();
        merge.push(source, at(value), 0);
      }
      if (next() < 0.3) got.push(...popAll(merge, 0));
    }
    assert.deepEqual(got, expected, `seed ${seed}, round ${round}`);
  }
});

test("more waits than fits only where one message each must be read", () => {
  const merge = new FlowMerge({ ...defaults, capacity: 3 });
  const [one, two] = [merge.add(0, { caughtUp: false }), merge.add(0, { caughtUp: false })];
  for (const ms of [1, 2, 3]) {
    assert.ok(merge.wants(one));
    merge.push(one, at(ms), 0);
  }
  assert.equal(merge.wants(one), false);
  assert.equal(merge.wants(two), true);
  merge.push(two, at(9), 0);
  assert.deepEqual(popAll(merge, 0), [1, 2, 3]);
  assert.equal(merge.wants(one), true);
});

test("a peer that says nothing holds the others up for one drain timeout, once", () => {
  const arrivals = Array.from({ length: 300 }, (_, i) => [10 * i, 0, 10 * i] as const);
  const left = run(arrivals, { peers: 2, untilMs: 4000 });
  assert.equal(left.length, 300);
  assert.ok(isSorted(left.map(({ timeMs }) => timeMs)));
  assert.ok(left.every(({ leftMs, arrivedMs }) => leftMs - arrivedMs <= 1050));
  assert.ok(
    left
      .filter(({ leftMs }) => leftMs > 1200)
      .every(({ leftMs, arrivedMs }) => leftMs - arrivedMs <= 130),
  );
});

test("a peer that reads a long past, in bursts, is waited for until it is done", () => {
  // Peer 0 found one flow of long ago; peer 1 sends an hour's flows for five seconds, pausing every 100 ms.
  const arrivals: (readonly [number, number, number])[] = [[0, 0, 3_599_000]];
  for (let ms = 0; ms < 5000; ms += 100)
    for (let i = 0; i < 10; i++) arrivals.push([ms, 1, ms * 700 + i * 10]);
  for (const follow of [true, false]) {
    const left = run(arrivals, { peers: 2, untilMs: 9000, follow });
    assert.equal(left.length, 501, `follow ${follow}`);
    assert.ok(isSorted(left.map(({ timeMs }) => timeMs)), `follow ${follow}`);
  }
});

test("a peer that always speaks up just in time cannot hold the others up for ever", () => {
  const arrivals: (readonly [number, number, number])[] = [];
  for (let ms = 0; ms < 30_000; ms += 900) arrivals.push([ms, 1, ms]);
  arrivals.push([5, 0, 10_000_000]);
  const left = run(
    arrivals.toSorted(([a], [b]) => a - b),
    { peers: 3, untilMs: 30_000 },
  );
  const last = left.find(({ peer }) => peer === 0);
  assert.ok(last && last.leftMs <= 16_000, `${last?.leftMs}`);
});

/** Live peers, `perSecond` flows each, polled every 20 ms at different moments; `skewMs[i]` is by how much peer i's clock is ahead. */
function livePeers(
  skewMs: readonly number[],
  { perSecond, forMs }: { perSecond: number; forMs: number },
) {
  const arrivals = skewMs.flatMap((skew, peer) =>
    Array.from({ length: (perSecond * forMs) / 1000 }, (_, i) => {
      const happenedMs = (i * 1000) / perSecond + peer * 0.013;
      const polledMs = Math.ceil((happenedMs - peer * 3) / 20) * 20 + peer * 3 + 2;
      return [polledMs, peer, happenedMs + skew] as const;
    }),
  );
  return arrivals.toSorted(([a], [b]) => a - b);
}

test("a live stream of busy and of quiet peers is in order, and no later than what is under way", () => {
  const busy = livePeers([0, 0, 0], { perSecond: 500, forMs: 5000 });
  const quiet = [1500, 2700, 4100].map((ms) => [ms + 25, 3, ms] as const);
  const arrivals = [...busy, ...quiet].toSorted(([a], [b]) => a - b);
  const left = run(arrivals, { peers: 5, untilMs: 7000, follow: true });
  assert.equal(left.length, arrivals.length);
  assert.ok(isSorted(left.map(({ timeMs }) => timeMs)));
  assert.ok(
    left
      .filter(({ leftMs }) => leftMs > 1200)
      .every(({ leftMs, arrivedMs }) => leftMs - arrivedMs <= (arrivedMs > 4900 ? 530 : 130)),
  );
});

for (const [name, skewMs] of [
  ["an hour ahead", 3_600_000],
  ["five seconds ahead", 5_000],
  ["half a second ahead", 500],
  ["an hour behind", -3_600_000],
  ["five seconds behind", -5_000],
] as const)
  test(`a node whose clock is ${name} delays nobody and leaves the others in order`, () => {
    const arrivals = livePeers([0, skewMs, 0], { perSecond: 200, forMs: 8000 });
    const left = run(arrivals, { peers: 3, untilMs: 12_000, follow: true });
    assert.equal(left.length, arrivals.length);
    const others = left.filter(({ peer }) => peer !== 1);
    assert.ok(isSorted(others.map(({ timeMs }) => timeMs)), "order of the others");
    const late = others.filter(({ leftMs }) => leftMs > 2200);
    assert.ok(
      late.every(
        ({ leftMs, arrivedMs }) =>
          leftMs - arrivedMs <= (skewMs > 0 && arrivedMs < 7900 ? 130 : 530),
      ),
      "the others are not held up",
    );
    const own = left.filter(({ peer }) => peer === 1);
    assert.ok(isSorted(own.map(({ timeMs }) => timeMs)), "order of its own");
    assert.ok(
      own.every(({ leftMs, arrivedMs }) => leftMs - arrivedMs <= 2100),
      "its own come soon",
    );
    if (skewMs < 1000) return;
    // Once seen, its flows stand where they belong: sorted by its time as it ought to be, all is in order but for jitter.
    const settled = left.filter(({ leftMs }) => leftMs > 4000 && leftMs < 8000);
    const trueTimes = settled.map(({ peer, timeMs }) => (peer === 1 ? timeMs - skewMs : timeMs));
    const worst = Math.max(
      ...trueTimes.map((time, i) => Math.max(...trueTimes.slice(0, i + 1).slice(-200)) - time),
    );
    assert.ok(worst <= 60, `out of place by ${worst} ms`);
  });

test("one that was in time while others were late is not taken for ahead for ever", () => {
  const arrivals = livePeers([0, 0, 0], { perSecond: 200, forMs: 12_000 }).map(
    ([arrivedMs, peer, timeMs]) => {
      // For three seconds all that the others see comes 1.7 seconds late.
      const delayedMs = timeMs < 3000 ? 0 : timeMs < 6000 ? arrivedMs + 1700 : 7700;
      return [peer === 1 ? arrivedMs : Math.max(arrivedMs, delayedMs), peer, timeMs] as const;
    },
  );
  const left = run(
    arrivals.toSorted(([a], [b]) => a - b),
    { peers: 3, untilMs: 16_000, follow: true },
  );
  assert.equal(left.length, arrivals.length);
  const times = left.map(({ timeMs }) => timeMs);
  assert.ok(!isSorted(times), "nobody was late");
  assert.ok(isSorted(times.filter((timeMs) => timeMs > 9000)));
});

test("more than fits goes out in a live stream, and waits in one of the past", () => {
  for (const follow of [true, false]) {
    const merge = new FlowMerge({ ...defaults, capacity: 10, follow });
    const [one] = [merge.add(0, { caughtUp: true }), merge.add(0, { caughtUp: true })];
    for (let ms = 0; ms < 12; ms++) merge.push(one as MergeSource, at(ms), 0);
    assert.deepEqual(popAll(merge, 1), follow ? [0, 1, 2] : []);
    assert.equal(popAll(merge, 100).length, follow ? 9 : 12);
  }
});

test("the newest of all are kept, whatever order they come in", () => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  const next = random(seed);
  for (let round = 0; round < 100; round++) {
    const times = Array.from({ length: Math.floor(next() * 200) }, () => Math.floor(next() * 1000));
    const newest = new Newest(20);
    for (const time of times) newest.add(at(time));
    assert.deepEqual(
      newest.sorted().map(msOf),
      times.toSorted((a, b) => a - b).slice(-20),
      `seed ${seed}`,
    );
  }
});
