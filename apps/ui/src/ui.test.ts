// The server as browsers meet it: real gRPC behind, real HTTP before.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { get, LineReader, startHarness, testFlow, testFlows } from "./testing/harness.ts";
import type { MapLine } from "./shared/stream.ts";

const numbers = (uuids: readonly string[]) => uuids.map((uuid) => Number(uuid.slice(-12)));

test("a page gets the last flows, then new ones as they come", async () => {
  await using harness = await startHarness();
  harness.observer.add(testFlows(1, 30));
  using reader = new LineReader(harness.port, "/api/flows?follow=true&number=10");
  await reader.until(() => reader.uuids().length >= 10);
  harness.observer.add(testFlows(31, 5));
  await reader.until(() => reader.uuids().length >= 15);
  assert.deepEqual(
    numbers(reader.uuids()),
    testFlows(21, 15).map(({ sequence }) => sequence),
  );
  const [first] = reader.lines.filter((line) => line.kind === "flows");
  assert.deepEqual(
    first?.told?.endpoints?.map(({ podName }) => podName),
    ["web-1", "db-1"],
  );
});

test("filters are the server's, losses come with the flows", async () => {
  await using harness = await startHarness();
  harness.observer.add(testFlows(1, 40));
  using reader = new LineReader(
    harness.port,
    "/api/flows?verdict=DROPPED&from-pod=shop/web&not.uuid=00000000-0000-4000-8000-000000000020&follow=true&number=99",
  );
  await reader.until(() => reader.uuids().length >= 3);
  harness.observer.lost({ source: 1, count: 12, cpu: 0, firstNs: 1n, lastNs: 2_000_000n });
  await reader.until(() => reader.lines.some((line) => line.kind === "flows" && line.lost));
  assert.deepEqual(numbers(reader.uuids()), [10, 30, 40]);
  const lost = reader.lines.flatMap((line) => (line.kind === "flows" ? (line.lost ?? []) : []));
  assert.deepEqual(lost, [{ node: "node-1", source: 1, count: 12, timeMs: 2 }]);
});

test("a range of the past is told once and ended, and continued before its first flow", async () => {
  await using harness = await startHarness();
  harness.observer.add(testFlows(1, 100));
  const { timeNs } = testFlow(51);
  using reader = new LineReader(harness.port, `/api/flows?until=${timeNs}&number=20`);
  await reader.until(() => reader.isEnded);
  assert.deepEqual(
    numbers(reader.uuids()),
    testFlows(32, 20).map(({ sequence }) => sequence),
  );
  assert.deepEqual(reader.lines.at(-1), { kind: "end" });
  const before = await get(harness.port, `/api/flows-before?until=${testFlow(32).timeNs}&number=5`);
  const { flows } = JSON.parse(before.body) as { flows: { uuid: string }[] };
  assert.deepEqual(numbers(flows.map(({ uuid }) => uuid)), [28, 29, 30, 31, 32]);
});

test("when relay goes away the page is told; when it is back flows go on, none twice, none missing", async () => {
  await using harness = await startHarness();
  const startNs = BigInt(Date.now()) * 1_000_000n;
  harness.observer.add(testFlows(1, 20, startNs));
  using reader = new LineReader(harness.port, "/api/flows?follow=true&number=100");
  await reader.until(() => reader.uuids().length >= 20);
  const states = () =>
    reader.lines.flatMap((line) => (line.kind === "relay" ? [line.connected] : []));
  for (let round = 1; round <= 2; round++) {
    const told = states().length;
    await harness.stopRelay();
    await reader.until(() => states().slice(told).includes(false));
    harness.observer.add(testFlows(round * 20 + 1, 10, startNs));
    await harness.startRelay();
    harness.observer.add(testFlows(round * 20 + 11, 10, startNs));
    await reader.until(() => reader.uuids().length >= (round + 1) * 20);
    assert.equal(states().at(-1), true);
  }
  await sleep(100);
  assert.deepEqual(
    numbers(reader.uuids()),
    testFlows(1, 60).map(({ sequence }) => sequence),
  );
});

test("a browser that does not read costs a bounded queue, and what it misses is counted", async () => {
  await using harness = await startHarness();
  harness.observer.add(testFlows(1, 500));
  using reader = new LineReader(harness.port, "/api/flows?follow=true&number=500");
  await reader.until(() => reader.uuids().length === 500);
  reader.pause();
  const all = 60_000;
  for (let at = 501; at <= all; at += 500) {
    harness.observer.add(testFlows(at, 500));
    // At the pace of agents: what the flow server itself may lose is not the matter here.
    await sleep(2);
  }
  await sleep(300);
  reader.resume();
  const skipped = () =>
    reader.lines.reduce((sum, line) => sum + (line.kind === "flows" ? (line.skipped ?? 0) : 0), 0);
  const lost = () =>
    reader.lines.reduce(
      (sum, line) =>
        sum +
        (line.kind === "flows" ? (line.lost ?? []).reduce((all, { count }) => all + count, 0) : 0),
      0,
    );
  await reader.until(() => reader.uuids().length + skipped() + lost() >= all);
  assert.equal(reader.uuids().length + skipped() + lost(), all);
  assert.ok(skipped() > 0, "nothing was skipped: the queue took it all");
  assert.ok(reader.uuids().length < 40_000, `${reader.uuids().length} flows were held for it`);
  const got = numbers(reader.uuids());
  assert.deepEqual(
    got,
    got.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(got).size, got.length);
});

test("the map's counts are the flows', of the past and as they come", async () => {
  await using harness = await startHarness();
  harness.observer.add(testFlows(1, 1_000));
  const { timeNs } = testFlow(600);
  const sums = (reader: LineReader) => {
    const sum = [0, 0, 0, 0];
    for (const line of reader.lines) {
      if (line.kind !== "map") continue;
      for (const { edges } of line.buckets ?? [])
        edges.forEach((value, at) => {
          if (at % 5 > 0) sum[(at % 5) - 1] = (sum[(at % 5) - 1] as number) + value;
        });
    }
    return sum;
  };
  using past = new LineReader(
    harness.port,
    `/api/map?bucket=1000&since=${testFlow(1).timeNs}&until=${timeNs}`,
  );
  await past.until(() => past.isEnded);
  assert.deepEqual(sums(past), [540, 60, 0, 0]);
  const [line] = past.lines.filter((each): each is MapLine => each.kind === "map");
  assert.deepEqual(line?.edges, [{ source: 0, destination: 1, protocol: "TCP", port: 5432 }]);
  using live = new LineReader(
    harness.port,
    `/api/map?bucket=1000&since=${timeNs + 1n}&follow=true`,
  );
  await live.until(() => sums(live)[0] === 360);
  harness.observer.add(testFlows(1_001, 100));
  await live.until(() => sums(live)[0] === 450);
  assert.deepEqual(sums(live), [450, 50, 0, 0]);
});

test("a node of the map lists its flows, with the page's filters on top", async () => {
  await using harness = await startHarness();
  harness.observer.add(testFlows(1, 50));
  const node = encodeURIComponent("workload/shop/Deployment/db");
  using reader = new LineReader(harness.port, `/api/flows?node=${node}&verdict=DROPPED&until=now`);
  await reader.until(() => reader.isEnded);
  assert.deepEqual(numbers(reader.uuids()), [10, 20, 30, 40, 50]);
  using none = new LineReader(
    harness.port,
    `/api/flows?node=workload/shop/Deployment/other&until=now`,
  );
  await none.until(() => none.isEnded);
  assert.deepEqual(none.uuids(), []);
});

test("what is asked wrongly is answered in words, on streams too", async () => {
  await using harness = await startHarness();
  const rows = [
    ["/api/flows?verdict=LOST", /verdict "LOST"/],
    ["/api/flows?since=yesterday", /since: wanted a time/],
    ["/api/flows?cel-expression=_flow.nosuch(", /cel/i],
    ["/api/map?bucket=0", /bucket/],
    ["/api/flows?node=x", /no node of the map/],
    ["/api/objects?kind=secrets", /which objects/],
    ["/api/objects?kind=policies", /without an API server/],
  ] as const;
  for (const [path, expected] of rows) {
    using reader = new LineReader(harness.port, path);
    await reader.until(() => reader.isEnded);
    const end = reader.lines.at(-1);
    assert.match(end?.kind === "end" ? (end.error ?? "") : "no end", expected, path);
  }
  for (const [path, status] of [
    ["/api/flow", 400],
    ["/api/flow?uuid=nobody", 404],
    ["/api/flows-before", 400],
    ["/api/policy?kind=Secret&name=x", 400],
    ["/api/policy?kind=NetworkPolicy&name=x", 404],
    ["/api/nosuch", 404],
    ["/api/__proto__", 404],
    ["/api/constructor", 404],
  ] as const)
    assert.equal((await get(harness.port, path)).status, status, path);
});

test("one flow is found again by its uuid, as hubble prints it", async () => {
  await using harness = await startHarness();
  harness.observer.add(testFlows(1, 50));
  const { uuid, timeNs } = testFlow(10);
  const answer = await get(harness.port, `/api/flow?uuid=${uuid}&time=${timeNs}`);
  const { json, flows } = JSON.parse(answer.body) as {
    json: { drop_reason_desc: string; source: { pod_name: string } };
    flows: { uuid: string }[];
  };
  assert.deepEqual(
    [json.drop_reason_desc, json.source.pod_name, flows[0]?.uuid],
    ["POLICY_DENIED", "web-1", uuid],
  );
});

test("the status says how relay is, also when it is not there", async () => {
  await using harness = await startHarness();
  harness.observer.add(testFlows(1, 7));
  type Said = {
    relay: { error: string; seenFlows: number };
    nodes: { name: string }[];
    kube: string;
  };
  const status = async () => JSON.parse((await get(harness.port, "/api/status")).body) as Said;
  const well = await status();
  assert.deepEqual(
    [well.relay.error, well.relay.seenFlows, well.nodes[0]?.name, well.kube],
    ["", 7, "node-1", "none"],
  );
  await harness.stopRelay();
  await sleep(1_600);
  assert.notEqual((await status()).relay.error, "");
});

test("every answer has the headers that keep other pages out; none allows another origin", async () => {
  await using harness = await startHarness();
  for (const path of [
    "/",
    "/map",
    "/flows?pod=a",
    "/assets/main-abcdefgh.js",
    "/api/status",
    "/api/nosuch",
    "/x.js",
  ]) {
    const { headers, status } = await get(harness.port, path, {
      origin: `http://127.0.0.1:${harness.port}`,
    });
    assert.match(String(headers["content-security-policy"]), /default-src 'none'/, path);
    assert.doesNotMatch(String(headers["content-security-policy"]), /unsafe|\*|https?:/, path);
    assert.equal(headers["x-content-type-options"], "nosniff", path);
    assert.equal(headers["cross-origin-resource-policy"], "same-origin", path);
    assert.equal(headers["x-frame-options"], "DENY", path);
    assert.equal(headers["access-control-allow-origin"], undefined, path);
    assert.equal(status, path === "/api/nosuch" || path === "/x.js" ? 404 : 200, path);
  }
  const script = await get(harness.port, "/assets/main-abcdefgh.js");
  assert.match(String(script.headers["cache-control"]), /immutable/);
  assert.equal((await get(harness.port, "/api/status")).headers["cache-control"], "no-store");
});

test("other hosts, other origins and other methods get nothing", async () => {
  await using harness = await startHarness();
  const rows = [
    [{ host: `evil.example:${harness.port}` }, "GET", 421],
    [{ origin: "http://evil.example" }, "GET", 403],
    [{ "sec-fetch-site": "cross-site" }, "GET", 403],
    [{}, "POST", 405],
    [{}, "OPTIONS", 405],
    [{}, "DELETE", 405],
  ] as const;
  for (const [headers, method, status] of rows)
    assert.equal((await get(harness.port, "/api/status", headers, method)).status, status, method);
});

test("with a token, data is for those who know it; the page asks for it", async () => {
  await using harness = await startHarness({ token: "0123456789abcdef" });
  assert.equal((await get(harness.port, "/")).status, 200);
  assert.equal((await get(harness.port, "/api/status")).status, 401);
  assert.equal((await get(harness.port, "/api/flows")).status, 401);
  assert.equal((await get(harness.port, "/api/status?token=0123456789abcdef")).status, 401);
  const authorization = "Bearer 0123456789abcdef";
  assert.equal((await get(harness.port, "/api/status", { authorization })).status, 200);
});

test("the newest flows before now are so many, oldest first", async () => {
  await using harness = await startHarness();
  harness.observer.add(testFlows(1, 40));
  const answer = await get(harness.port, "/api/flows-before?number=7&verdict=FORWARDED");
  const { flows } = JSON.parse(answer.body) as { flows: { uuid: string }[] };
  assert.deepEqual(
    numbers(flows.map(({ uuid }) => uuid)),
    [32, 33, 34, 35, 36, 37, 38, 39].slice(-7),
  );
});
