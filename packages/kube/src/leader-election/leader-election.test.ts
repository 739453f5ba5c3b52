// Several candidates against the real API server, some with a clock that the test moves.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { startTestApi, type TestApi } from "@tsilium/testkit/api-server.ts";
import { KubeClient } from "../client.ts";
import { connectionFromKubeconfig } from "../config.ts";
import { KubeError } from "../errors.ts";
import { resources } from "../resources.ts";
import { LeaderElection, type LeaderElectionOptions } from "./leader-election.ts";

const at = { namespace: "default", name: "lock" };

function candidate(
  api: TestApi,
  identity: string,
  options: Partial<LeaderElectionOptions> = {},
): LeaderElection {
  return new LeaderElection({
    client: api.connect(),
    lease: at,
    identity,
    leaseDurationMs: 1_000,
    renewDeadlineMs: 600,
    retryPeriodMs: 50,
    ...options,
  });
}

async function withApi(body: (api: TestApi, signal: AbortSignal) => Promise<void>): Promise<void> {
  await using api = await startTestApi({ definitions: false });
  await body(api, AbortSignal.timeout(20_000));
}

const read = (api: TestApi, signal: AbortSignal) =>
  api.client.get(resources.leases, at.name, { namespace: at.namespace, signal });

test("of many that come at once one leads; it keeps the Lease, and gives it to the next at once", () =>
  withApi(async (api, signal) => {
    const names = ["a", "b", "c", "d", "e"];
    const all = names.map((name) => candidate(api, name));
    let leaders = 0;
    const order: string[] = [];
    await Promise.all(
      all.map(async (each, index) => {
        await each.acquire(signal);
        leaders++;
        assert.equal(leaders, 1);
        each.assertLeading();
        order.push(names[index] as string);
        await sleep(150);
        assert.ok(each.isLeading);
        leaders--;
        await each.release(signal);
        assert.ok(!each.isLeading);
        assert.ok(!each.lost.aborted);
      }),
    );
    assert.deepEqual(order.toSorted(), names);
    const { spec } = await read(api, signal);
    assert.equal(spec?.holderIdentity, "");
    assert.equal(spec?.leaseTransitions, 4);
  }));

test("nobody takes the Lease of a leader that is silent before its duration has passed", () =>
  withApi(async (api, signal) => {
    const silent = candidate(api, "silent", {
      retryPeriodMs: 100_000,
      renewDeadlineMs: 200_000,
      now: () => 0,
    });
    await silent.acquire(signal);
    let clockMs = 0;
    const next = candidate(api, "next", { now: () => clockMs, renewDeadlineMs: 900 });
    const took = next.acquire(signal).then(() => clockMs);
    for (const ms of [100, 500, 999]) {
      clockMs = ms;
      await sleep(120);
      assert.equal(next.isLeading, false);
    }
    clockMs = 1_120;
    assert.equal(await took, 1_120);
    assert.equal((await read(api, signal)).spec?.leaseTransitions, 1);
    next.assertLeading();
    await silent.release(signal);
    assert.equal((await read(api, signal)).spec?.holderIdentity, "next");
    await next.release(signal);
  }));

test("a leader whose time ran out while it did not run may not write, before any timer of its fires", () =>
  withApi(async (api, signal) => {
    let clockMs = 0;
    const leader = candidate(api, "paused", { now: () => clockMs });
    await leader.acquire(signal);
    leader.assertLeading();
    clockMs = 601;
    assert.throws(() => leader.assertLeading(), { reason: "NotLeading" });
    assert.ok(leader.lost.aborted);
    clockMs = 0;
    assert.throws(() => leader.assertLeading(), { reason: "NotLeading" });
    await leader.release(signal);
    assert.equal((await read(api, signal)).spec?.holderIdentity, "paused");
  }));

test("a leader that cannot reach the API server gives up after its deadline, one that can again goes on", () =>
  withApi(async (api, signal) => {
    const errors: unknown[] = [];
    const leader = candidate(api, "cut-off", { onError: (error) => errors.push(error) });
    await leader.acquire(signal);
    await api.restart(() => sleep(200));
    await sleep(300);
    assert.ok(leader.isLeading);
    await api.restart(async () => {
      while (!leader.lost.aborted) await sleep(10, undefined, { signal });
    });
    assert.throws(() => leader.assertLeading(), /no renewal in 600 ms|last renewed/);
    assert.ok(errors.length > 0);
  }));

test("a leader that finds another's name in its Lease has lost it", () =>
  withApi(async (api, signal) => {
    const leader = candidate(api, "first");
    const seen: string[] = [];
    const other = candidate(api, "other", { onLeader: (holder) => seen.push(holder) });
    await leader.acquire(signal);
    await api.client.patch(resources.leases, at.name, {
      namespace: at.namespace,
      type: "merge",
      patch: { spec: { holderIdentity: "usurper" } },
      signal,
    });
    while (!leader.lost.aborted) await sleep(10, undefined, { signal });
    assert.throws(() => leader.assertLeading(), /"usurper" leads/);
    await other.acquire(signal);
    assert.deepEqual(seen, ["usurper", "other"]);
    await other.release(signal);
  }));

test("a Lease that somebody deleted is made again by its leader", () =>
  withApi(async (api, signal) => {
    const leader = candidate(api, "steady");
    await leader.acquire(signal);
    await api.client.delete(resources.leases, at.name, { namespace: at.namespace, signal });
    for (;;) {
      const found = await read(api, signal).catch(() => undefined);
      if (found) {
        assert.equal(found.spec?.holderIdentity, "steady");
        break;
      }
      await sleep(10, undefined, { signal });
    }
    leader.assertLeading();
    await leader.release(signal);
  }));

test("a write that is not permitted any more when its connection has come about is not sent", () =>
  withApi(async (api, signal) => {
    const target = connectionFromKubeconfig(api.kubeconfig);
    const held: Socket[] = [];
    // Connections come about when the test lets them.
    await using listener = createServer((near) => void held.push(near.pause())).listen(
      0,
      "127.0.0.1",
    );
    await once(listener, "listening");
    const { port } = listener.address() as AddressInfo;
    let permitted = true;
    using client = new KubeClient({
      ...target,
      server: `https://127.0.0.1:${port}`,
      mayWrite: () => {
        if (!permitted) throw new KubeError("NotLeading", "not the leader");
      },
    });
    const object = (name: string) => ({ metadata: { name, namespace: "default" } });
    const names = async () =>
      (await api.client.list(resources.configMaps, { namespace: "default", signal })).items.map(
        ({ metadata }) => metadata.name,
      );
    const release = () => {
      for (const near of held.splice(0)) {
        const far = connect(Number(new URL(target.server).port), "127.0.0.1");
        near.pipe(far).pipe(near);
        for (const socket of [near, far]) socket.on("error", () => undefined);
      }
    };
    const late = client.create(resources.configMaps, object("late"), { signal });
    while (held.length === 0) await sleep(5, undefined, { signal });
    permitted = false;
    release();
    await assert.rejects(late, { reason: "NotLeading" });
    permitted = true;
    const fine = client.create(resources.configMaps, object("fine"), { signal });
    await sleep(50);
    release();
    await fine;
    permitted = false;
    assert.deepEqual(await names(), ["fine"]);
    await client.get(resources.configMaps, "fine", { namespace: "default", signal });
    await assert.rejects(
      client.delete(resources.configMaps, "fine", { namespace: "default", signal }),
      { reason: "NotLeading" },
    );
    assert.deepEqual(await names(), ["fine"]);
  }));
