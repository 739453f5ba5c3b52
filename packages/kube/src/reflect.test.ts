// List and watch against the real API server, through restarts, lost history and deletions nobody saw.
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiServer, createPki, type Pki } from "@tsilium/apiserver";
import { KubeClient } from "./client.ts";
import { reflectTable } from "./reflect-table.ts";
import { reflect } from "./reflect.ts";
import { resources } from "./resources.ts";
import type { ConfigMap } from "./types/core.ts";
import { lines } from "./watch.ts";

const folder = mkdtempSync(join(tmpdir(), "tsilium-reflect-"));
let pki: Pki;
let server: ApiServer;
let port = 0;
let client: KubeClient;
const stopper = new AbortController();
const { signal } = stopper;

async function startServer(): Promise<void> {
  server = await ApiServer.start({
    dataDir: folder,
    pki,
    listeners: [{ address: "127.0.0.1", port }],
    tokens: [{ token: "t", name: "admin", groups: ["system:masters"] }],
    windowCapacity: 10,
  });
  port = server.port;
}

before(async () => {
  pki = await createPki(join(folder, "pki"));
  await startServer();
  client = new KubeClient({ server: server.origin, ca: pki.ca, token: "t" });
});
after(async () => {
  stopper.abort();
  client[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const make = (name: string, namespace = "default") =>
  client.create(resources.configMaps, { metadata: { name, namespace } } as ConfigMap, { signal });
const remove = (name: string, namespace = "default") =>
  client.delete(resources.configMaps, name, { namespace, signal });

/** Reflects one namespace into a list of words. */
function record(namespace: string) {
  const seen: string[] = [];
  const errors: unknown[] = [];
  let reached = 0;
  const stop = new AbortController();
  const done = reflect(client, resources.configMaps, {
    namespace,
    signal: stop.signal,
    retry: { minMs: 10, maxMs: 50 },
    handlers: {
      upsert: (object) => seen.push(`+${object.metadata.name}`),
      delete: (object) => seen.push(`-${object.metadata.name}`),
      synced: () => seen.push("synced"),
      progress: (version) => {
        assert.ok(Number(version) >= reached, "progress went back");
        reached = Number(version);
      },
      onError: (error) => errors.push(error),
    },
  });
  return {
    errors,
    reached: () => reached,
    async expect(...words: string[]): Promise<void> {
      for (let tries = 0; tries < 300 && seen.length < words.length; tries++) await sleep(10);
      assert.deepEqual(seen.splice(0), words);
    },
    async [Symbol.asyncDispose](): Promise<void> {
      stop.abort();
      await done;
    },
  };
}

test("what is there comes first, then synced, then every change", async () => {
  await make("a", "kube-public");
  await make("b", "kube-public");
  await using recorded = record("kube-public");
  await recorded.expect("+a", "+b", "synced");
  await make("c", "kube-public");
  await remove("a", "kube-public");
  await recorded.expect("+c", "-a");
});

test("progress reaches a write to another resource soon", async () => {
  await using recorded = record("kube-node-lease");
  await recorded.expect("synced");
  const other = await client.create(
    resources.leases,
    { metadata: { name: "l", namespace: "default" } },
    { signal },
  );
  const wanted = Number(other.metadata.resourceVersion);
  for (let tries = 0; tries < 100 && recorded.reached() < wanted; tries++) await sleep(10);
  assert.equal(recorded.reached(), wanted);
});

test("a server that goes away and comes back costs nothing and repeats nothing", async () => {
  await make("before");
  await using recorded = record("default");
  await recorded.expect("+before", "synced");
  await server[Symbol.asyncDispose]();
  await sleep(100);
  await startServer();
  await make("after");
  await recorded.expect("+after");
});

test("deletions that happened while nobody watched are told after the relist", async () => {
  await using recorded = record("kube-system");
  await recorded.expect("synced");
  await make("stays", "kube-system");
  await make("goes", "kube-system");
  await make("changes", "kube-system");
  await recorded.expect("+stays", "+goes", "+changes");
  await server[Symbol.asyncDispose]();
  // Another life of the store that the watcher does not see: history is lost with the restart after it.
  await startServerUnseen(async (hidden) => {
    await hidden.delete(resources.configMaps, "goes", { namespace: "kube-system", signal });
    await hidden.delete(resources.configMaps, "changes", { namespace: "kube-system", signal });
    await hidden.create(
      resources.configMaps,
      { metadata: { name: "changes", namespace: "kube-system" } },
      { signal },
    );
  });
  await startServer();
  // The object that was replaced by another of its name is a delete and an upsert.
  await recorded.expect("-changes", "+changes", "-goes");
});

/** Runs the server on another port while `work` changes things, then stops it again. */
async function startServerUnseen(work: (hidden: KubeClient) => Promise<void>): Promise<void> {
  const unseen = await ApiServer.start({
    dataDir: folder,
    pki,
    listeners: [{ address: "127.0.0.1", port: 0 }],
    tokens: [{ token: "t", name: "admin", groups: ["system:masters"] }],
  });
  using hidden = new KubeClient({ server: unseen.origin, ca: pki.ca, token: "t" });
  await work(hidden);
  await unseen[Symbol.asyncDispose]();
}

test("a table follows the collection and knows when it is complete", async () => {
  const stop = new AbortController();
  const { table, synced, done } = reflectTable(client, resources.namespaces, {
    signal: stop.signal,
  });
  await synced;
  assert.ok(table.get("kube-system"));
  await client.create(resources.namespaces, { metadata: { name: "fresh" } }, { signal });
  for (let tries = 0; tries < 100 && !table.has("fresh"); tries++) await sleep(10);
  assert.ok(table.has("fresh"));
  stop.abort();
  await done;
});

test("a handler that throws is told and does not stop the rest", async () => {
  const errors: unknown[] = [];
  const seen: string[] = [];
  const stop = new AbortController();
  const done = reflect(client, resources.namespaces, {
    signal: stop.signal,
    handlers: {
      upsert: (object) => {
        seen.push(object.metadata.name ?? "");
        if (object.metadata.name === "default") throw new Error("no");
      },
      delete: () => undefined,
      synced: () => stop.abort(),
      onError: (error) => errors.push(error),
    },
  });
  await done;
  assert.equal((errors[0] as Error).message, "no");
  assert.ok(seen.includes("kube-system"));
});

test("lines are found however the bytes are cut", async () => {
  const bytes = Buffer.from('{"a":"ü"}\n\n{"b":2}\n{"cut":');
  for (let size = 1; size <= bytes.length; size++) {
    async function* chunks() {
      for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
    }
    const found: string[] = [];
    for await (const line of lines(chunks())) found.push(line);
    assert.deepEqual(found, ['{"a":"ü"}', '{"b":2}'], `chunks of ${size}`);
  }
});
