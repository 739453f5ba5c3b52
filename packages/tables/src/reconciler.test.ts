import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Reconciler, Table } from "./index.ts";

type Route = { readonly to: string; readonly via: string };

/** A world of routes that can refuse, and the reconciler that keeps it. */
function setup(
  options: { readonly routes?: readonly Route[]; readonly world?: readonly Route[] } = {},
) {
  const table = new Table<Route>({ name: "routes", key: ({ to }) => to });
  for (const route of options.routes ?? []) table.upsert(route);
  const world = new Map((options.world ?? []).map(({ to, via }) => [to, via]));
  const refuse = new Map<string, number>();
  const calls: string[] = [];
  const mayRefuse = (call: string) => {
    calls.push(call);
    const left = refuse.get(call) ?? 0;
    if (left > 0) {
      refuse.set(call, left - 1);
      throw new Error(`${call}: refused`);
    }
  };
  const reconciler = new Reconciler<Route>({
    name: "routes",
    table,
    retry: { minMs: 1, maxMs: 4 },
    operations: {
      update({ to, via }) {
        mayRefuse(`update ${to}`);
        world.set(to, via);
      },
      async delete({ to }) {
        await Promise.resolve();
        mayRefuse(`delete ${to}`);
        world.delete(to);
      },
      prune(rows) {
        mayRefuse("prune");
        const known = new Set(rows.map(({ to }) => to));
        for (const to of world.keys()) if (!known.has(to)) world.delete(to);
      },
    },
  });
  return { table, world, refuse, calls, reconciler, soon: AbortSignal.timeout(2000) };
}

const world = (routes: Map<string, string>) =>
  [...routes]
    .map(([to, via]) => `${to}>${via}`)
    .sort()
    .join(" ");

test("at start the world is made to match: rows first, then what is in no row goes", async () => {
  const t = setup({
    routes: [{ to: "a", via: "1" }],
    world: [
      { to: "a", via: "9" },
      { to: "z", via: "1" },
    ],
  });
  t.reconciler.start();
  await t.reconciler.settled(t.soon);
  assert.equal(world(t.world), "a>1");
  assert.deepEqual(t.calls, ["update a", "prune"]);
  assert.ok(t.reconciler.status().lastFullSync);
  await t.reconciler.stop();
});

test("many changes of one row in one turn cost one operation", async () => {
  const t = setup();
  t.reconciler.start();
  for (const via of ["1", "2", "3"]) t.table.upsert({ to: "a", via });
  t.table.upsert({ to: "b", via: "1" });
  t.table.delete("b");
  await t.reconciler.settled(t.soon);
  assert.equal(world(t.world), "a>3");
  assert.deepEqual(t.calls, ["update a", "delete b", "prune"]);
  await t.reconciler.stop();
});

test("what fails is retried until it succeeds, and is named meanwhile", async () => {
  const t = setup({ world: [{ to: "b", via: "1" }], routes: [{ to: "b", via: "1" }] });
  t.refuse.set("update a", 3).set("delete b", 2).set("prune", 1);
  t.reconciler.start();
  t.table.upsert({ to: "a", via: "1" });
  t.table.delete("b");
  await setTimeout(0);
  assert.match(
    JSON.stringify(t.reconciler.status().failing),
    /"key":"a","error":"update a: refused"/,
  );
  await t.reconciler.settled(t.soon);
  assert.equal(world(t.world), "a>1");
  assert.deepEqual(t.reconciler.status().failing, []);
  await t.reconciler.stop();
});

test("settled gives up with its signal while something fails", async () => {
  const t = setup();
  t.refuse.set("update a", Infinity);
  t.reconciler.start();
  t.table.upsert({ to: "a", via: "1" });
  await assert.rejects(t.reconciler.settled(AbortSignal.timeout(20)), { name: "TimeoutError" });
  await assert.rejects(t.reconciler.wait("a", AbortSignal.timeout(20)), { name: "TimeoutError" });
  await t.reconciler.wait("b", t.soon);
  await t.reconciler.stop();
});

test("a change of a failing row is tried at once", async () => {
  const t = setup();
  t.reconciler = new Reconciler({
    name: "r",
    table: t.table,
    retry: { minMs: 60_000, maxMs: 60_000 },
    operations: {
      update: ({ to, via }) => {
        if (via === "bad") throw new Error("no");
        t.world.set(to, via);
      },
      delete: () => {},
    },
  });
  t.reconciler.start();
  t.table.upsert({ to: "a", via: "bad" });
  await setTimeout(5);
  assert.equal(t.reconciler.status().failing.length, 1);
  t.table.upsert({ to: "a", via: "good" });
  await t.reconciler.wait("a", t.soon);
  assert.equal(world(t.world), "a>good");
  await t.reconciler.stop();
});

test("a full sync repairs what somebody else changed", async () => {
  const t = setup({ routes: [{ to: "a", via: "1" }] });
  t.reconciler.start();
  await t.reconciler.settled(t.soon);
  t.world.clear();
  t.world.set("stray", "1");
  t.reconciler.fullSync();
  await t.reconciler.settled(t.soon);
  assert.equal(world(t.world), "a>1");
  await t.reconciler.stop();
});

test("after stop nothing is written any more", async () => {
  const t = setup();
  t.reconciler.start();
  t.refuse.set("update a", 1);
  t.table.upsert({ to: "a", via: "1" });
  await setTimeout(0);
  await t.reconciler.stop();
  t.table.upsert({ to: "b", via: "1" });
  await setTimeout(20);
  assert.equal(world(t.world), "");
});
