// Against a real API server: what these tests are about is how nodes meet there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { resources } from "@tsilium/kube";
import { Labels } from "@tsilium/net";
import { seeded } from "@tsilium/testkit";
import { startTestApi, type TestApi } from "@tsilium/testkit/api-server.ts";
import { IdentityAllocator, type IdentityAllocatorOptions } from "./allocator.ts";
import { candidateNumbers, objectOf } from "./decide.ts";
import { unusedAnnotation } from "./model.ts";

const web = Labels.parse(["k8s:app=web"]);
const log = { warn: () => undefined };

/** An allocator as a node has one, with a connection of its own. */
async function startNode(
  api: TestApi,
  signal: AbortSignal,
  options: Partial<IdentityAllocatorOptions> = {},
): Promise<IdentityAllocator> {
  const allocator = new IdentityAllocator({ client: api.connect(), log, ...options });
  await allocator.start(signal);
  return allocator;
}

async function withNodes(
  body: (api: TestApi, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  await using api = await startTestApi();
  const stop = new AbortController();
  try {
    await body(api, AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]));
  } finally {
    stop.abort();
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "it never came about");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const namesIn = async ({ client }: TestApi, signal: AbortSignal) =>
  (await client.list(resources.ciliumIdentities, { signal })).items.map(
    ({ metadata }) => metadata.name,
  );

test("the same labels have the same number on every node, different labels different ones", () =>
  withNodes(async (api, signal) => {
    const [a, b] = await Promise.all([startNode(api, signal), startNode(api, signal)]);
    const first = await a.allocate(web, signal);
    assert.equal((await b.allocate(web, signal)).id, first.id);
    assert.notEqual((await b.allocate(Labels.parse(["k8s:app=db"]), signal)).id, first.id);
    assert.deepEqual(a.lookup(first.id)?.labels.toArray(), ["k8s:app=web"]);
  }));

test("pods that come at once on one node make one identity", () =>
  withNodes(async (api, signal) => {
    const node = await startNode(api, signal);
    const all = await Promise.all(Array.from({ length: 64 }, () => node.allocate(web, signal)));
    assert.equal(new Set(all.map(({ id }) => id)).size, 1);
    assert.equal(node.references(all[0]?.id ?? 0), 64);
    assert.equal((await namesIn(api, signal)).length, 1);
  }));

test("labels without an identity yet are reserved:init, which no object stands for", () =>
  withNodes(async (api, signal) => {
    const node = await startNode(api, signal);
    assert.equal((await node.allocate(Labels.parse(["reserved:init"]), signal)).id, 5);
    assert.deepEqual(await namesIn(api, signal), []);
  }));

test("nodes that race for the same labels agree, whatever the timing", () =>
  withNodes(async (api, signal) => {
    const seed = Number(process.env["TSILIUM_FUZZ_SEED"] ?? Date.now() % 2 ** 31);
    const random = seeded(seed);
    const nodes = await Promise.all(Array.from({ length: 4 }, () => startNode(api, signal)));
    for (let round = 0; round < 12; round++) {
      const labels = Labels.parse([`k8s:app=app-${round}`]);
      const ids = await Promise.all(
        nodes.map(async (node) => {
          await new Promise((resolve) => setTimeout(resolve, random.below(4)));
          return (await node.allocate(labels, signal)).id;
        }),
      );
      assert.equal(new Set(ids).size, 1, `round ${round}, TSILIUM_FUZZ_SEED=${seed}: ${ids}`);
    }
    assert.equal((await namesIn(api, signal)).length, 12);
  }));

test("nodes that came to different numbers settle on the lowest, and users of the other are told", () =>
  withNodes(async (api, signal) => {
    const high = await startNode(api, signal, { candidates: () => [500] });
    const told = new Promise<string>((resolve) => {
      high.onSuperseded(({ from, to }) => resolve(`${from.id} -> ${to.id}`));
    });
    assert.equal((await high.allocate(web, signal)).id, 500);
    // A node that could not know of 500 yet wrote this at the same moment.
    const raced = objectOf({ id: 300, labels: web, reserved: false });
    await api.client.create(resources.ciliumIdentities, raced, { signal });
    assert.equal(await told, "500 -> 300");
    const third = await startNode(api, signal, { candidates: () => [100] });
    for (const node of [high, third]) assert.equal((await node.allocate(web, signal)).id, 300);
  }));

test("a number that other labels have is passed over", () =>
  withNodes(async (api, signal) => {
    const [first = 0, second] = candidateNumbers(web);
    const foreign = { id: first, labels: Labels.parse(["k8s:app=other"]), reserved: false };
    const node = await startNode(api, signal);
    await api.client.create(resources.ciliumIdentities, objectOf(foreign), { signal });
    assert.equal((await node.allocate(web, signal)).id, second);
  }));

test("when every number is taken the error says for which labels", () =>
  withNodes(async (api, signal) => {
    const node = await startNode(api, signal, { candidates: () => [300] });
    await node.allocate(web, signal);
    await assert.rejects(node.allocate(Labels.parse(["k8s:app=db"]), signal), {
      code: "identities_exhausted",
      message: "no identity is left for k8s:app=db",
    });
  }));

test("an identity in use that somebody deletes comes back under its number; an unused one goes", () =>
  withNodes(async (api, signal) => {
    const node = await startNode(api, signal);
    const { id } = await node.allocate(web, signal);
    const unused = await node.allocate(Labels.parse(["k8s:app=db"]), signal);
    node.release(unused.id);
    for (const name of [id, unused.id])
      await api.client.delete(resources.ciliumIdentities, String(name), { signal });
    await until(() => node.lookup(unused.id) === undefined);
    await node.settled(signal);
    assert.deepEqual(await namesIn(api, signal), [String(id)]);
    assert.equal(node.lookup(id)?.labels.key, web.key);
  }));

test("what was in use before a restart is known at once and made again if it is gone", () =>
  withNodes(async (api, signal) => {
    const node = new IdentityAllocator({ client: api.connect(), log });
    node.restore(777, web);
    assert.equal(node.lookup(777)?.labels.key, web.key);
    await node.start(signal);
    await node.settled(signal);
    assert.deepEqual(await namesIn(api, signal), ["777"]);
    assert.equal((await node.allocate(web, signal)).id, 777);
    assert.equal(node.references(777), 2);
  }));

test("a restored number that went to other labels meanwhile is given up", () =>
  withNodes(async (api, signal) => {
    const other = { id: 777, labels: Labels.parse(["k8s:app=other"]), reserved: false };
    await api.client.create(resources.ciliumIdentities, objectOf(other), { signal });
    const node = new IdentityAllocator({ client: api.connect(), log });
    node.restore(777, web);
    const told = new Promise<string>((resolve) => {
      node.onSuperseded(({ from, to }) => resolve(`${from.labels} ${from.id} -> ${to.id}`));
    });
    await node.start(signal);
    const [wanted] = candidateNumbers(web);
    assert.equal(await told, `k8s:app=web 777 -> ${wanted}`);
    assert.deepEqual(node.lookup(777)?.labels.toArray(), ["k8s:app=other"]);
  }));

test("known identities need no API server; new ones are an error until it is back", () =>
  withNodes(async (api, signal) => {
    const node = await startNode(api, signal);
    const { id } = await node.allocate(web, signal);
    const db = Labels.parse(["k8s:app=db"]);
    await api.restart(async () => {
      assert.equal((await node.allocate(web, signal)).id, id);
      await assert.rejects(node.allocate(db, signal), { code: "ConnectionFailed" });
    });
    assert.notEqual((await node.allocate(db, signal)).id, id);
  }));

test("a caller that gives up does not keep others from their identity", () =>
  withNodes(async (api, signal) => {
    const node = await startNode(api, signal);
    const impatient = AbortSignal.abort(new Error("gave up"));
    const hurried = new AbortController();
    const first = node.allocate(web, hurried.signal);
    const second = node.allocate(web, signal);
    hurried.abort(new Error("gave up"));
    await assert.rejects(first, { message: "gave up" });
    await assert.rejects(node.allocate(web, impatient), { message: "gave up" });
    assert.equal(node.references((await second).id), 1);
  }));

async function mark(api: TestApi, id: number, signal: AbortSignal): Promise<void> {
  await api.client.patch(resources.ciliumIdentities, String(id), {
    type: "merge",
    patch: { metadata: { annotations: { [unusedAnnotation]: "2026-01-01T00:00:00Z" } } },
    signal,
  });
}

async function isMarked(api: TestApi, id: number, signal: AbortSignal): Promise<boolean> {
  const { metadata } = await api.client.get(resources.ciliumIdentities, String(id), { signal });
  return metadata.annotations?.[unusedAnnotation] !== undefined;
}

test("an identity marked as unused has lost its mark when it is allocated, and while it is in use", () =>
  withNodes(async (api, signal) => {
    const [a, b] = await Promise.all([startNode(api, signal), startNode(api, signal)]);
    const { id } = await a.allocate(web, signal);
    a.release(id);
    await mark(api, id, signal);
    // The node may hear of the mark before it allocates, or after: either way the mark goes.
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok(await isMarked(api, id, signal));
    assert.equal((await b.allocate(web, signal)).id, id);
    assert.equal(await isMarked(api, id, signal), false);
    await mark(api, id, signal);
    for (;;) {
      if (!(await isMarked(api, id, signal))) break;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await a.settled(signal);
    assert.equal(a.references(id), 0);
  }));

test("a pod need not wait for an API server that is away to use a marked identity", () =>
  withNodes(async (api, signal) => {
    const node = await startNode(api, signal);
    const { id } = await node.allocate(web, signal);
    node.release(id);
    await mark(api, id, signal);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await api.restart(async () => {
      assert.equal((await node.allocate(web, signal)).id, id);
    });
    await node.settled(signal);
    assert.equal(await isMarked(api, id, signal), false);
  }));

test("a caller that gave up while the mark was taken off holds no reference", () =>
  withNodes(async (api, signal) => {
    const node = await startNode(api, signal);
    const { id } = await node.allocate(web, signal);
    node.release(id);
    await mark(api, id, signal);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const hurried = new AbortController();
    const allocation = node.allocate(web, hurried.signal);
    hurried.abort(new Error("gave up"));
    await assert.rejects(allocation, { message: "gave up" });
    assert.equal(node.references(id), 0);
  }));
