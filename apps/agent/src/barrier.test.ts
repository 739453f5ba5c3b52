import assert from "node:assert/strict";
import { test } from "node:test";
import { KubeClient } from "@tsilium/kube";
import { Barrier, type Stage } from "./barrier.ts";
import { createLog } from "@tsilium/runtime";
import { Watches } from "./watches.ts";

const patience = () => AbortSignal.timeout(50);

function setUp(stages: readonly Stage[] = []) {
  // Nothing is asked of the API server here: watches report by hand.
  const client = new KubeClient({ server: "http://127.0.0.1:1" });
  const watches = new Watches(client, createLog({ level: "silent" }));
  return { watches, barrier: new Barrier(watches, stages) };
}

test("a barrier waits until every watch has come as far, and no longer", async () => {
  const { watches, barrier } = setUp();
  const pods = watches.observe("pods");
  const nodes = watches.observe("nodes");
  pods.progress("20");
  nodes.progress("9");
  const passed = barrier.pass(10n, AbortSignal.timeout(1000));
  nodes.progress("10");
  assert.deepEqual(await passed, []);
});

test("a barrier that is not passed names the watches and stages that lag", async () => {
  const busy: Stage = {
    name: "ipcache",
    settled: () => Promise.resolve(),
    lag: () => "3 pending",
  };
  const { watches, barrier } = setUp([busy]);
  watches.observe("pods").progress("9");
  watches.observe("nodes").onError(new Error("connection refused"));
  assert.deepEqual(await barrier.pass(10n, patience()), [
    { name: "watch pods", message: "at resource version 9, not 10" },
    { name: "watch nodes", message: "at resource version none, not 10 (connection refused)" },
    { name: "ipcache", message: "3 pending" },
  ]);
});

test("stages are waited for in order", async () => {
  const order: string[] = [];
  const stage = (name: string): Stage => ({
    name,
    settled: async () => void order.push(name),
    lag: () => undefined,
  });
  const { barrier } = setUp([stage("identities"), stage("endpoints"), stage("ipcache")]);
  assert.deepEqual(await barrier.pass(0n, patience()), []);
  assert.deepEqual(order, ["identities", "endpoints", "ipcache"]);
});
