// What is pure of ENI mode: requests, views, the handshake, and the queue of nodes.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CiliumNode } from "@tsilium/kube";
import { eniContradictions, tagsOf } from "../config/eni-keys.ts";
import { handshake } from "./handshake.ts";
import { NodeQueue } from "./node-queue.ts";
import { levelOf, requestOf } from "./request.ts";
import { mergePatch } from "./views.ts";

const defaults = { prefixDelegation: true, usePrimaryAddress: false };

function nodeOf(spec: object, status: object = {}): CiliumNode {
  return { metadata: { name: "node-1" }, spec, status } as CiliumNode;
}

test("a node that does not say its instance asks for nothing", () => {
  for (const id of [undefined, "", "not-an-instance", "i-XYZ"])
    assert.equal(requestOf(nodeOf({ "instance-id": id }), defaults), undefined);
});

test("what a node does not say, or says badly, is the default", () => {
  const spec = { "instance-id": "i-1", ipam: { "pre-allocate": 0, "min-allocate": -5 } };
  const request = requestOf(nodeOf(spec), defaults);
  assert.deepEqual(request?.watermarks, {
    minAllocate: 0,
    maxAllocate: 0,
    preAllocate: 8,
    maxAboveWatermark: 0,
  });
  assert.equal(request?.rules.prefixDelegation, true);
  const without = { ...spec, eni: { "disable-prefix-delegation": true } };
  assert.equal(requestOf(nodeOf(without), defaults)?.rules.prefixDelegation, false);
});

test("addresses on their way out are not available", () => {
  const releaseIps = { a: "ready-for-release", b: "marked-for-release", c: "released" };
  const level = levelOf(["a", "b", "c", "d"], { used: new Set(["d"]), releaseIps });
  assert.deepEqual(level, { available: 2, used: 1 });
});

test("a merge patch makes one object the other", () => {
  const rows: [object, object, object | undefined][] = [
    [{ a: 1 }, { a: 1 }, undefined],
    [{ a: 1 }, { a: 2 }, { a: 2 }],
    [{ a: 1, b: 1 }, { a: 1 }, { b: null }],
    [{ a: { x: 1, y: 1 } }, { a: { x: 2 } }, { a: { y: null, x: 2 } }],
    [{ a: [1, 2] }, { a: [2] }, { a: [2] }],
    [{ a: { x: [1] } }, { a: { x: [1] } }, undefined],
    [{}, { a: { x: 1 } }, { a: { x: 1 } }],
  ];
  for (const [present, wanted, expected] of rows)
    assert.deepEqual(mergePatch({ ...present }, { ...wanted }), expected);
});

test("an address is marked when it has been too many for long enough", () => {
  const ask = (statuses: Record<string, string>, candidates: string[], since: [string, number][]) =>
    handshake({
      statuses,
      candidates,
      since: new Map(since),
      pool: new Set(["a", "b"]),
      nowMs: 10_000,
      delayMs: 1_000,
    });
  const fresh = ask({}, ["a"], []);
  assert.deepEqual([fresh.statuses, fresh.since.get("a"), fresh.againInMs], [{}, 10_000, 1_000]);
  const waiting = ask({}, ["a"], [["a", 9_500]]);
  assert.deepEqual([waiting.statuses, waiting.againInMs], [{}, 500]);
  const due = ask({}, ["a"], [["a", 9_000]]);
  assert.deepEqual([due.statuses, due.againInMs], [{ a: "marked-for-release" }, undefined]);
  // What is needed again meanwhile waits from the start when it is too many the next time.
  assert.equal(ask({}, [], [["a", 9_000]]).since.has("a"), false);
});

test("what becomes of an entry", () => {
  // [status, candidate, in the pool] -> status
  const rows: [string, boolean, boolean, string | undefined][] = [
    ["marked-for-release", true, true, "marked-for-release"],
    ["marked-for-release", false, true, undefined],
    ["ready-for-release", true, true, "ready-for-release"],
    ["ready-for-release", false, true, undefined],
    ["ready-for-release", false, false, "released"],
    ["released", false, false, "released"],
    ["released", false, true, undefined],
    ["do-not-release", false, true, undefined],
    ["nonsense", false, true, undefined],
  ];
  for (const [status, isCandidate, isInPool, expected] of rows) {
    const { statuses } = handshake({
      statuses: { a: status },
      candidates: isCandidate ? ["a"] : [],
      since: new Map(),
      pool: new Set(isInPool ? ["a"] : []),
      nowMs: 0,
      delayMs: 1_000,
    });
    assert.equal(statuses["a"], expected, `${status} ${isCandidate} ${isInPool}`);
  }
});

test("what the agent needs is not marked again at once", () => {
  const { statuses, since } = handshake({
    statuses: { a: "do-not-release" },
    candidates: ["a"],
    since: new Map([["a", 0]]),
    pool: new Set(["a"]),
    nowMs: 10_000,
    delayMs: 1_000,
  });
  assert.deepEqual([statuses, since.get("a")], [{}, 10_000]);
});

test("a node's jobs follow each other, and so many nodes have one at once", async () => {
  const running = new Map<string, number>();
  const done: string[] = [];
  let most = 0;
  const queue = new NodeQueue({
    atOnce: 2,
    work: async (name) => {
      running.set(name, (running.get(name) ?? 0) + 1);
      assert.equal(running.get(name), 1, `${name} twice at once`);
      most = Math.max(most, running.size);
      await new Promise((resolve) => setImmediate(resolve));
      running.delete(name);
      done.push(name);
    },
    onError: () => undefined,
    retry: { minMs: 1, maxMs: 1 },
  });
  for (const name of ["a", "b", "c", "a", "b"]) queue.add(name);
  // While it runs: once more afterwards.
  queue.add("a");
  while (done.length < 5) await new Promise((resolve) => setImmediate(resolve));
  await queue.stop();
  assert.equal(most, 2);
  assert.deepEqual(done.toSorted(), ["a", "a", "b", "b", "c"]);
});

test("a job that failed is done again, later and later, until it succeeds", async () => {
  const delays: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const queue = new NodeQueue({
    atOnce: 1,
    work: async () => {
      if (delays.length < 4) throw new Error("not yet");
      resolve();
    },
    onError: (_, __, retryMs) => delays.push(retryMs),
    retry: { minMs: 1, maxMs: 4 },
  });
  queue.add("a");
  await promise;
  await queue.stop();
  assert.deepEqual(delays, [1, 2, 4, 4]);
  assert.deepEqual(queue.failing, []);
});

test("tags are KEY=VALUE, and settings that are not are refused", () => {
  assert.deepEqual(tagsOf(["a=b", "c=d=e", "f="]), { a: "b", c: "d=e", f: "" });
  assert.equal(tagsOf(["a"]), undefined);
  const fine = {
    "eni-tags": [],
    "eni-gc-tags": [],
    "subnet-tags-filter": [],
    "instance-tags-filter": [],
    "ec2-api-endpoint": "",
  };
  assert.deepEqual(eniContradictions(fine), []);
  assert.deepEqual(eniContradictions({ ...fine, "eni-tags": ["x"] }), [
    "eni-tags: entries are KEY=VALUE",
  ]);
  assert.equal(eniContradictions({ ...fine, "ec2-api-endpoint": "file:///etc" }).length, 1);
});
