// Collection against a real API server, with agents' own allocators beside it.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { IdentityAllocator } from "@tsilium/identity";
import { resources } from "@tsilium/kube";
import { Labels } from "@tsilium/net";
import { createLog } from "@tsilium/runtime";
import { seeded } from "@tsilium/testkit";
import { startTestApi, type TestApi } from "@tsilium/testkit/api-server.ts";
import { IdentityGc, type IdentityGcOptions } from "./identity-gc.ts";

const log = createLog({ level: "fatal" });

type World = {
  readonly api: TestApi;
  readonly signal: AbortSignal;
  readonly collect: (options?: Partial<IdentityGcOptions>) => IdentityGc;
  /** Names of the identities that there are. */
  readonly names: () => Promise<string[]>;
};

async function withApi(body: (world: World) => Promise<void>): Promise<void> {
  await using api = await startTestApi();
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]);
  const running: IdentityGc[] = [];
  const collect = (options: Partial<IdentityGcOptions> = {}) => {
    const gc = IdentityGc.start({
      client: api.connect(),
      intervalMs: 20,
      windowMs: 200,
      ceilingPerSecond: undefined,
      onRemoved: () => undefined,
      onRun: () => undefined,
      log,
      signal,
      ...options,
    });
    running.push(gc);
    return gc;
  };
  const names = async () =>
    (await api.client.list(resources.ciliumIdentities, { signal })).items.map(
      ({ metadata }) => metadata.name ?? "",
    );
  try {
    await body({ api, signal, collect, names });
  } finally {
    stop.abort();
    await Promise.all(running.map((gc) => gc.stop()));
  }
}

const labelsOf = (app: string) => Labels.parse([`k8s:app=${app}`]);

async function addIdentity({ api, signal }: World, id: number): Promise<void> {
  await api.client.create(
    resources.ciliumIdentities,
    { metadata: { name: String(id) }, "security-labels": { "k8s:app": String(id) } },
    { signal },
  );
}

async function addEndpoint({ api, signal }: World, name: string, id: number): Promise<void> {
  await api.client.create(
    resources.ciliumEndpoints,
    { metadata: { name, namespace: "default" }, status: { identity: { id } } },
    { signal },
  );
}

async function until(signal: AbortSignal, condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(10, undefined, { signal });
}

test("what no CiliumEndpoint names goes after two windows, and not before; what one names stays", () =>
  withApi(async (world) => {
    const { api, signal, collect, names } = world;
    for (const id of [1001, 1002, 1003]) await addIdentity(world, id);
    await addEndpoint(world, "a", 1001);
    await addEndpoint(world, "b", 1002);
    const removed: number[] = [];
    const begunMs = performance.now();
    const gc = collect({ onRemoved: () => removed.push(performance.now() - begunMs) });
    await until(signal, async () => !(await names()).includes("1003"));
    assert.ok((removed[0] ?? 0) >= 400, `gone after ${removed[0]} ms`);
    assert.deepEqual(await names(), ["1001", "1002"]);
    assert.deepEqual(gc.stats(), { used: 2, unused: 0, marked: 0 });
    await api.client.delete(resources.ciliumEndpoints, "b", { namespace: "default", signal });
    await until(signal, async () => (await names()).length === 1);
    await sleep(600);
    assert.deepEqual(await names(), ["1001"]);
    assert.ok(gc.health().every(({ state }) => state === "ok"));
  }));

test("a marked identity that comes into use loses its mark", () =>
  withApi(async (world) => {
    const { signal, collect, names } = world;
    await addIdentity(world, 1001);
    const gc = collect({ windowMs: 300 });
    await until(signal, async () => gc.stats().marked === 1);
    await addEndpoint(world, "a", 1001);
    await until(signal, async () => gc.stats().used === 1);
    await sleep(700);
    assert.deepEqual(await names(), ["1001"]);
    const { metadata } = await world.api.client.get(resources.ciliumIdentities, "1001", { signal });
    assert.equal(metadata.annotations?.["io.cilium.heartbeat"], undefined);
  }));

test("what an agent uses stays, though no CiliumEndpoint names it", () =>
  withApi(async ({ api, signal, collect, names }) => {
    const agent = new IdentityAllocator({ client: api.connect(), log });
    await agent.start(signal);
    const { id } = await agent.allocate(labelsOf("web"), signal);
    collect();
    await sleep(1_500);
    assert.deepEqual(await names(), [String(id)]);
    agent.release(id);
    await until(signal, async () => (await names()).length === 0);
  }));

test("an operator that comes after another waits a window of its own, whatever marks say", () =>
  withApi(async (world) => {
    const { api, signal, collect, names } = world;
    await addIdentity(world, 1001);
    await api.client.patch(resources.ciliumIdentities, "1001", {
      type: "merge",
      patch: { metadata: { annotations: { "io.cilium.heartbeat": "2001-01-01T00:00:00Z" } } },
      signal,
    });
    const begunMs = performance.now();
    collect({ windowMs: 400 });
    await until(signal, async () => (await names()).length === 0);
    assert.ok(performance.now() - begunMs >= 400);
  }));

test("agents that take up and give back identities at random while they are collected never lose one in use", () =>
  withApi(async ({ api, signal, collect, names }) => {
    const random = seeded(7);
    const agents = await Promise.all(
      [1, 2, 3].map(async () => {
        const agent = new IdentityAllocator({ client: api.connect(), log });
        await agent.start(signal);
        return agent;
      }),
    );
    let removed = 0;
    // Windows of one watch's latency: deletions meet allocations all the time.
    collect({ intervalMs: 5, windowMs: 15, onRemoved: () => removed++ });
    const held: { readonly agent: IdentityAllocator; readonly id: number }[] = [];
    for (let step = 0; step < 400; step++) {
      const agent = agents[random.below(agents.length)] as IdentityAllocator;
      if (held.length > 4) {
        const [given] = held.splice(random.below(held.length), 1);
        given?.agent.release(given.id);
      }
      const { id } = await agent.allocate(labelsOf(`app-${random.below(40)}`), signal);
      held.push({ agent, id });
      await sleep(random.below(8));
    }
    await Promise.all(agents.map((agent) => agent.settled(signal)));
    const there = new Set(await names());
    for (const { id } of held) assert.ok(there.has(String(id)), `identity ${id} is gone in use`);
    assert.ok(removed > 20, `only ${removed} were collected`);
  }));
