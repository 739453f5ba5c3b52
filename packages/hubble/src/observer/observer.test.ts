// GetFlows against its twin on lists, and what a slow client does to others: nothing.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { type Random, seeded } from "@tsilium/testkit";
import { matchAll } from "../filter/index.ts";
import { History } from "../history/index.ts";
import { emptyFlow, type Flow, type FlowMatcher, type LostEvents } from "../model.ts";
import { isLost, type ObservedEvent } from "./events.ts";
import { Observer } from "./observer.ts";
import type { FlowsQuery } from "./query.ts";
import { ArrayHistory } from "./testing/history.ts";
import { NaiveObserver } from "./testing/naive.ts";

const everything: FlowsQuery = {
  matcher: matchAll,
  number: 0,
  first: false,
  follow: false,
  sinceNs: undefined,
  untilNs: undefined,
};

const flowOf = (sequence: number, fields: Partial<Flow> = {}): Flow => ({
  ...emptyFlow,
  sequence,
  timeNs: BigInt(sequence),
  verdict: 1,
  ...fields,
});
const drop = (sequence: number) => flowOf(sequence, { verdict: 2 });
const range = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => flowOf(from + index));
const lostEvent = (count: number, atNs: number, cpu = 0): LostEvents => ({
  source: 1,
  count,
  cpu,
  firstNs: BigInt(atNs),
  lastNs: BigInt(atNs),
});
const verdictIs = (verdict: number): FlowMatcher => ({
  matches: (flow) => flow.verdict === verdict,
  mayMatch: () => true,
});

/** "3 4 lost:5 6". */
const text = (events: readonly ObservedEvent[]) =>
  events.map((event) => (isLost(event) ? `lost:${event.count}` : event.sequence)).join(" ");

async function read(observer: Observer, query: Partial<FlowsQuery>): Promise<ObservedEvent[]> {
  const events: ObservedEvent[] = [];
  const { signal } = new AbortController();
  for await (const batch of observer.getFlows({ ...everything, ...query }, signal))
    events.push(...batch);
  return events;
}

test("the newest, the oldest, since and until", async () => {
  const observer = new Observer({ nodeName: "n", capacity: 15 });
  observer.add(range(1, 5));
  observer.lost(lostEvent(7, 5));
  observer.add(range(6, 10));
  const rows: [Partial<FlowsQuery>, string][] = [
    [{}, "1 2 3 4 5 lost:7 6 7 8 9 10"],
    [{ number: 3 }, "8 9 10"],
    [{ number: 6 }, "5 lost:7 6 7 8 9 10"],
    [{ number: 99 }, "1 2 3 4 5 lost:7 6 7 8 9 10"],
    [{ number: 3, first: true }, "1 2 3"],
    [{ number: 6, first: true }, "1 2 3 4 5 lost:7 6"],
    [{ first: true }, "1 2 3 4 5 lost:7 6 7 8 9 10"],
    [{ sinceNs: 9n }, "9 10"],
    [{ sinceNs: 4n, untilNs: 6n }, "4 5 lost:7 6"],
    [{ untilNs: 2n }, "1 2"],
    [{ untilNs: 7n, number: 2 }, "6 7"],
    // Cilium's: since is where it starts, and the number counts from there.
    [{ sinceNs: 3n, number: 2 }, "3 4"],
    [{ sinceNs: 11n }, ""],
    [{ sinceNs: 6n, untilNs: 3n }, ""],
    [{ matcher: verdictIs(2), number: 3 }, "lost:7"],
    [{ matcher: verdictIs(2), number: 3, untilNs: 3n }, ""],
  ];
  for (const [query, expected] of rows)
    assert.equal(
      text(await read(observer, query)),
      expected,
      JSON.stringify(query, (_, v) => (typeof v === "bigint" ? `${v}` : v)),
    );
});

test("a flood of forwards cannot push out the drops; no flow is told twice", async () => {
  const observer = new Observer({ nodeName: "n", capacity: 3, protectedCapacity: 3 });
  observer.add([drop(1), drop(2), flowOf(3), flowOf(4, { verdict: 4 }), flowOf(5, { verdict: 3 })]);
  assert.equal(text(await read(observer, {})), "2 3 4 5");
  observer.add(range(6, 1_000));
  assert.equal(text(await read(observer, {})), "2 4 5 998 999 1000");
  assert.equal(text(await read(observer, { number: 4 })), "5 998 999 1000");
  assert.equal(text(await read(observer, { matcher: verdictIs(2), number: 20 })), "2");
  assert.equal(text(await read(observer, { first: true, number: 1 })), "2");
});

test("what is older than the ring comes from the store, without gap and without doubles", async () => {
  const history = new ArrayHistory();
  const observer = new Observer({ nodeName: "n", capacity: 7, protectedCapacity: 3, history });
  for (let sequence = 1; sequence <= 100; sequence++) {
    const flow = sequence % 10 === 0 ? drop(sequence) : flowOf(sequence);
    history.append([flow]);
    observer.add([flow]);
  }
  assert.equal(text(await read(observer, { number: 30 })), text(range(71, 100)));
  assert.equal(text(await read(observer, {})), text(range(1, 100)));
  assert.equal(
    text(await read(observer, { matcher: verdictIs(2) })),
    "10 20 30 40 50 60 70 80 90 100",
  );
  // The store lost all but the newest 20; the drops in memory are older than what the ring holds.
  history.forget(({ sequence }) => sequence < 85);
  assert.equal(text(await read(observer, { number: 20, matcher: verdictIs(2) })), "80 90 100");
  assert.equal(text(await read(observer, { first: true, number: 3 })), "80 85 86");
});

test("the newest few are found without a look into the store", async () => {
  const history = new ArrayHistory();
  const observer = new Observer({ nodeName: "n", capacity: 63, history });
  history.append(range(1, 1_000));
  observer.add(range(1, 1_000));
  assert.equal(text(await read(observer, { number: 20 })), text(range(981, 1_000)));
  assert.equal(history.batchesRead, 0);
  await read(observer, { number: 70 });
  assert.ok(history.batchesRead < 20, `${history.batchesRead} batches were read for 7 flows`);
});

test("more than is held in memory: the newest 12000 of 20000", async () => {
  const history = new ArrayHistory(500);
  const observer = new Observer({ nodeName: "n", capacity: 1_023, history });
  history.append(range(1, 20_000));
  observer.add(range(1, 20_000));
  assert.equal(text(await read(observer, { number: 12_000 })), text(range(8_001, 20_000)));
  const all = await read(observer, { number: Number.MAX_SAFE_INTEGER });
  assert.equal(all.length, 20_000);
});

test("sequences must go on", () => {
  const observer = new Observer({ nodeName: "n", capacity: 7 });
  observer.add(range(1, 3));
  assert.throws(() => observer.add([flowOf(3)]), { message: "flow 3 comes after flow 3" });
  for (const capacity of [0, 2, 4_096, -1, 1.5])
    assert.throws(() => new Observer({ nodeName: "n", capacity }), RangeError);
});

/** Reads in the background; `stop` ends it and gives what came. */
function listen(observer: Observer, query: Partial<FlowsQuery>) {
  const abort = new AbortController();
  const events: ObservedEvent[] = [];
  const done = (async () => {
    try {
      for await (const batch of observer.getFlows(
        { ...everything, follow: true, ...query },
        abort.signal,
      ))
        events.push(...batch);
      return "ended";
    } catch (error) {
      if (error !== abort.signal.reason) throw error;
      return "aborted";
    }
  })();
  return {
    events,
    done,
    /** Waits until so many events are there, and a few turns more. */
    async until(count: number) {
      const end = performance.now() + 10_000;
      while (events.length < count && performance.now() < end) await nextTurn();
      for (let turn = 0; turn < 5; turn++) await nextTurn();
    },
    async stop() {
      abort.abort(new Error("enough"));
      assert.equal(await done, "aborted");
    },
  };
}

test("whoever follows gets the past that was asked for, and then everything once, losses in place", async () => {
  const observer = new Observer({ nodeName: "n", capacity: 15 });
  observer.add(range(1, 5));
  const fresh = listen(observer, {});
  const last = listen(observer, { number: 2 });
  const since = listen(observer, { sinceNs: 4n, number: 1 });
  const future = listen(observer, { sinceNs: 8n });
  await nextTurn();
  observer.add(range(6, 7));
  observer.lost(lostEvent(3, 7));
  observer.add(range(8, 9));
  await since.until(7);
  assert.equal(text(fresh.events), "6 7 lost:3 8 9");
  assert.equal(text(last.events), "4 5 6 7 lost:3 8 9");
  assert.equal(text(since.events), "4 5 6 7 lost:3 8 9");
  assert.equal(text(future.events), "lost:3 8 9");
  assert.equal(observer.status().followers, 4);
  for (const client of [fresh, last, since, future]) await client.stop();
  assert.equal(observer.status().followers, 0);
});

test("a stream that follows ends after its until, and leaves out what is later", async () => {
  const now = 1_000_000_000_000n;
  const observer = new Observer({ nodeName: "n", capacity: 15, now: () => now });
  observer.add([flowOf(1, { timeNs: now - 5n })]);
  const over = listen(observer, { number: 1, untilNs: now - 1_000_000_001n });
  assert.equal(await over.done, "ended");
  // 30 ms and the second in which flows may still come.
  const soon = listen(observer, { number: 1, untilNs: now - 970_000_000n });
  await nextTurn();
  observer.add([flowOf(2, { timeNs: now - 971_000_000n }), flowOf(3, { timeNs: now })]);
  assert.equal(await soon.done, "ended");
  assert.equal(text(soon.events), "2");
});

test("a slow client loses flows, told in place and exactly; others lose none, and drops have their own places", async () => {
  const observer = new Observer({ nodeName: "n", capacity: 255, followerCapacity: 1_000 });
  const abort = new AbortController();
  const slow = observer.getFlows({ ...everything, follow: true, number: 1 }, abort.signal);
  observer.add([flowOf(1)]);
  assert.equal(text((await slow.next()).value ?? []), "1");
  const fast = listen(observer, {});
  await nextTurn();
  let sequence = 1;
  let drops = 0;
  for (let batch = 0; batch < 200; batch++) {
    const flows = Array.from({ length: 250 }, () => flowOf(++sequence));
    if (batch % 2 === 0) {
      flows.push(drop(++sequence));
      drops++;
    }
    observer.add(flows);
    await nextTurn();
    await nextTurn();
  }
  const total = sequence - 1;
  await fast.until(total);
  assert.equal(text(fast.events), text(range(2, sequence)));
  // The slow one reads again.
  const events: ObservedEvent[] = [];
  for (let count = 0; count < total;) {
    const { value = [] } = await slow.next();
    events.push(...value);
    for (const event of value) count += isLost(event) ? event.count : 1;
  }
  const flows = events.filter((event): event is Flow => !isLost(event));
  assert.equal(flows.filter(({ verdict }) => verdict === 2).length, drops);
  const lost = events.filter(isLost);
  assert.equal(lost.reduce((sum, { count }) => sum + count, 0) + flows.length, total);
  assert.ok(lost.every(({ source, cpu }) => source === 3 && cpu === undefined));
  assert.ok(events.length <= 1_000 + 500 + lost.length, "its queue is bounded");
  assert.deepEqual(
    flows.map((flow) => flow.sequence),
    flows.map((flow) => flow.sequence).sort((a, b) => a - b),
  );
  // Each loss lies between the flows around it.
  for (const [index, event] of events.entries()) {
    if (!isLost(event)) continue;
    const before = events[index - 1] as Flow;
    assert.ok(isLost(before) || event.firstNs === before.timeNs + 1n);
  }
  abort.abort(new Error("enough"));
  await assert.rejects(slow.next(), { message: "enough" });
  await fast.stop();
});

test("a client with a narrow filter loses nothing, however many others there are", async () => {
  const observer = new Observer({ nodeName: "n", capacity: 255, followerCapacity: 100 });
  const abort = new AbortController();
  const narrow = observer.getFlows(
    {
      ...everything,
      follow: true,
      number: 1,
      matcher: { matches: ({ sequence }) => sequence % 1_000 === 1, mayMatch: () => true },
    },
    abort.signal,
  );
  observer.add([flowOf(1)]);
  await narrow.next();
  for (let at = 2; at <= 50_000; at += 500) {
    observer.add(range(at, at + 499));
    await nextTurn();
  }
  const events: ObservedEvent[] = [];
  while (events.length < 50) events.push(...((await narrow.next()).value ?? []));
  assert.equal(
    text(events),
    Array.from({ length: 50 }, (_, index) => index * 1_000 + 1_001).join(" "),
  );
  abort.abort();
  await assert.rejects(narrow.next());
});

test("flows that come faster than a filter can look at are counted, drops kept as long as there is room", async () => {
  const observer = new Observer({ nodeName: "n", capacity: 255 });
  const client = listen(observer, {});
  await nextTurn();
  // Without a turn for anybody: 65536 places for what was not looked at, then losses.
  observer.add(range(1, 65_000));
  observer.add([...range(65_001, 65_900), drop(65_901)]);
  observer.add(range(65_902, 66_000));
  const count = (events: readonly ObservedEvent[]) =>
    events.reduce((sum, event) => sum + (isLost(event) ? event.count : 1), 0);
  while (count(client.events) < 66_000) await sleep(1);
  const lost = count(client.events.filter(isLost));
  const flows = client.events.filter((event): event is Flow => !isLost(event));
  assert.equal(lost + flows.length, 66_000);
  // Of those that were looked at, none: the client reads.
  assert.equal(lost, 900);
  assert.ok(flows.some(({ sequence }) => sequence === 65_901));
  await client.stop();
});

test("a filter that fails ends its own stream alone", async () => {
  const observer = new Observer({ nodeName: "n", capacity: 15 });
  const faulty = listen(observer, {
    matcher: {
      matches: () => {
        throw new Error("a fault");
      },
      mayMatch: () => true,
    },
  });
  const good = listen(observer, {});
  await nextTurn();
  observer.add(range(1, 3));
  await assert.rejects(faulty.done, { message: "a fault" });
  await good.until(3);
  assert.equal(text(good.events), "1 2 3");
  await good.stop();
});

function randomQuery(random: Random, newest: number): FlowsQuery {
  const time = () => (random.chance(0.3) ? BigInt(random.below(newest + 5)) : undefined);
  const follow = random.chance(0.4);
  return {
    matcher: random.pick([matchAll, matchAll, verdictIs(1), verdictIs(2), verdictIs(7)]),
    number: random.chance(0.3) ? 0 : random.below(30),
    first: !follow && random.chance(0.3),
    follow,
    sinceNs: time(),
    untilNs: follow ? undefined : time(),
  };
}

test("every answer is the twin's: any history, any losses, any query, while flows come", async () => {
  const runs = Number(process.env["TSILIUM_FUZZ_RUNS"] ?? 150);
  const first = Number(process.env["TSILIUM_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  for (let seed = first; seed < first + runs; seed++) {
    const random = seeded(seed);
    const history = random.chance(0.5) ? new ArrayHistory(1 + random.below(9)) : undefined;
    await checkRun(random, seed, history);
  }
});

test("the same with the store of segment files", async () => {
  const first = Number(process.env["TSILIUM_FUZZ_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  for (let seed = first; seed < first + 5; seed++) {
    const folder = mkdtempSync(join(tmpdir(), "tsilium-observer-"));
    try {
      const budgets = { maxBytes: 1 << 20, dropsMaxBytes: 1 << 20, maxAgeMs: 3_600_000 };
      await using history = await History.open({ folder, ...budgets, blockFlows: 8, now: () => 0 });
      await checkRun(seeded(seed), seed, history);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
});

async function checkRun(
  random: Random,
  seed: number,
  history: ArrayHistory | History | undefined,
): Promise<void> {
  const [capacity, protectedCapacity] = [random.pick([1, 3, 15, 63]), random.pick([1, 7, 15])];
  const observer = new Observer({
    nodeName: "n",
    capacity,
    protectedCapacity,
    ...(history ? { history } : {}),
  });
  const twin = new NaiveObserver(capacity, protectedCapacity);
  let sequence = 0;
  const step = () => {
    if (random.chance(0.15)) {
      const event = lostEvent(1 + random.below(5), sequence, random.below(2));
      observer.lost(event);
      twin.lost(event);
      return;
    }
    const flows = Array.from({ length: 1 + random.below(12) }, () => {
      sequence += random.chance(0.05) ? 2 : 1;
      // Slightly out of order, as of several CPUs.
      const timeNs = BigInt(Math.max(0, sequence - random.below(4)));
      return flowOf(sequence, { timeNs, verdict: random.chance(0.2) ? random.pick([2, 3, 4]) : 1 });
    });
    history?.append(flows);
    observer.add(flows);
    twin.flows.push(...flows);
  };
  for (let count = random.below(25); count > 0; count--) step();
  if (history instanceof ArrayHistory && random.chance(0.5)) {
    const oldest = random.below(sequence + 1);
    history.forget(
      (flow) => flow.sequence < oldest && (flow.verdict === 1 || flow.sequence < oldest / 2),
    );
  }
  const stored = () =>
    history instanceof ArrayHistory ? [...history.flows] : history && [...twin.flows];
  twin.stored = stored();

  for (let turn = 0; turn < 6; turn++) {
    const query = randomQuery(random, sequence);
    const expected = twin.past(query);
    const where = `TSILIUM_FUZZ_SEED=${seed}, query ${turn}`;
    if (!query.follow) {
      assert.equal(text(await read(observer, query)), text(expected), where);
      continue;
    }
    const client = listen(observer, query);
    const [flowsBefore, lossesBefore] = [twin.flows.length, twin.losses.length];
    for (let more = 1 + random.below(5); more > 0; more--) {
      step();
      if (random.chance(0.5)) await nextTurn();
    }
    twin.stored = stored();
    const news = twin.flows.slice(flowsBefore).filter((flow) => twin.isWanted(query, flow));
    const lost = twin.losses.slice(lossesBefore);
    const lostIn = (events: readonly ObservedEvent[]) =>
      events.reduce((sum, event) => sum + (isLost(event) ? event.count : 0), 0);
    await client.until(expected.length + news.length + (lost.length > 0 ? 1 : 0));
    await client.stop();
    // Losses between the same flows may be told as one or as several.
    const flowsOf = (events: readonly ObservedEvent[]) =>
      text(events.filter((event) => !isLost(event)));
    assert.equal(text(client.events.slice(0, expected.length)), text(expected), where);
    const rest = client.events.slice(expected.length);
    assert.equal(flowsOf(rest), text(news), where);
    assert.equal(
      lostIn(rest),
      lost.reduce((sum, { event }) => sum + event.count, 0),
      where,
    );
  }
}
