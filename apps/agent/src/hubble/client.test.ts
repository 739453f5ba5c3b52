import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { createLog } from "@tsilium/runtime";
import { HubbleClient, type HubbleClientOptions } from "./client.ts";
import type { FeedItem } from "./feed/model.ts";
import type { FeedSource } from "./feed/source.ts";
import type { HubbleStatus, ToWorker } from "./model.ts";

/** A thread that says what it was told, and dies when it is told of a node "die". */
const thread = `
  const { parentPort } = require("node:worker_threads");
  parentPort.on("message", (message) => {
    if (message.kind === "stop") return setTimeout(() => parentPort.close(), 50);
    if (message.kind === "feed" && message.items.some(({ name }) => name === "die")) throw new Error("told to die");
    parentPort.postMessage({ kind: "status", status: { heard: message, problems: [] } });
  });
`;

const identity = (id: number): FeedItem => ({ kind: "identity", id, labels: [] });
const rule = (number: number) => ({
  number,
  name: { kind: "builtin" as const, reason: `rule ${number}` },
});

/** A client on real threads; what they heard comes by `heard`. */
function start(options: Partial<HubbleClientOptions> = {}) {
  const threads: Worker[] = [];
  const heard: string[] = [];
  const says = new Set<(item: FeedItem) => void>();
  const source: FeedSource = {
    items: () => [identity(1)],
    follow: (say) => {
      says.add(say);
      return { [Symbol.dispose]: () => void says.delete(say) };
    },
  };
  const client = new HubbleClient({
    startWorker: () => {
      const worker = new Worker(thread, { eval: true });
      const number = threads.push(worker);
      worker.on("message", ({ status }: { status: HubbleStatus & { heard: ToWorker } }) =>
        heard.push(`${number}: ${textOf(status.heard)}`),
      );
      return worker;
    },
    sources: [source],
    policy: { rules: () => Promise.resolve([rule(7)]), objects: () => Promise.resolve([]) },
    log: createLog({ level: "silent" }),
    ...options,
  });
  return {
    client,
    threads,
    heard,
    say: (item: FeedItem) => {
      for (const say of says) say(item);
    },
    until: async (...wanted: string[]) => {
      for (const deadline = Date.now() + 10_000; !wanted.every((text) => heard.includes(text));) {
        assert.ok(Date.now() < deadline, `wanted ${wanted.join(", ")}; heard ${heard.join(", ")}`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

function textOf(message: ToWorker): string {
  if (message.kind === "monitor") return `monitor ${message.on}`;
  if (message.kind !== "feed") return message.kind;
  return message.items
    .map((item) =>
      item.kind === "rule"
        ? `rule ${item.number}`
        : `${item.kind}${"id" in item ? ` ${item.id}` : ""}`,
    )
    .join(" ");
}

test("rules' names go first, then all there is, and that it is all once the tables are complete", async () => {
  await using it = start();
  it.client.start();
  await it.until("1: rule 7 identity 1");
  assert.ok(!it.heard.join().includes("synced"));
  it.client.complete();
  await it.until("1: synced");
});

test("a worker that dies is replaced, and hears everything anew, what listeners want included", async () => {
  await using it = start();
  it.client.start();
  it.client.complete();
  await it.until("1: rule 7 identity 1", "1: synced");
  using _listening = it.client.listen(() => undefined);
  await it.until("1: monitor true");
  it.say({ kind: "node", name: "die", local: false, ipv4: undefined, ipv6: undefined });
  await it.until("2: monitor true", "2: rule 7 identity 1", "2: synced");
  const { down, restarts } = it.client.status();
  assert.deepEqual([down, restarts], [undefined, 1]);
});

test("while there is no worker that is told, and why", async () => {
  await using it = start();
  it.client.start();
  await it.until("1: rule 7 identity 1");
  const [worker] = it.threads;
  it.say({ kind: "node", name: "die", local: false, ipv4: undefined, ipv6: undefined });
  await new Promise((resolve) => worker?.once("exit", resolve));
  assert.equal(it.client.status().down, "told to die");
});

test("what policy tells while the names are asked for is heard", async () => {
  const { promise, resolve } = Promise.withResolvers<ReturnType<typeof rule>[]>();
  await using it = start({ policy: { rules: () => promise, objects: () => Promise.resolve([]) } });
  it.client.start();
  resolve([rule(1)]);
  setImmediate(() => it.client.policyNews({ rules: [rule(2)], policies: [] }));
  await it.until("1: rule 1 identity 1", "1: rule 2");
});

test("a policy worker that does not answer keeps nobody from being told of the rest", async () => {
  await using it = start({
    policy: { rules: () => new Promise(() => undefined), objects: () => Promise.resolve([]) },
  });
  it.client.start();
  await it.until("1: identity 1");
});

test("the end waits for what the worker has to put away", async () => {
  const it = start();
  it.client.start();
  await it.until("1: rule 7 identity 1");
  const ended = once(it.threads[0] as Worker, "exit");
  await it.client[Symbol.asyncDispose]();
  assert.deepEqual(await ended, [0]);
  assert.equal(it.threads.length, 1);
});
