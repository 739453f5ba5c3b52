// Names down to the kernel: a real policy worker on real maps, asked what becomes of packets.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { openMaps } from "@tsilium/datapath";
import { Address } from "@tsilium/net";
import { createLog } from "@tsilium/runtime";
import { PolicyClient, type PolicySource } from "../policy/client.ts";
import { Feed } from "../policy/inputs/feed.ts";
import { addressSource, tableSource } from "../policy/inputs/source.ts";
import type { PolicyInput } from "../policy/inputs/model.ts";
import { ciliumPolicy, settings, synced, web } from "../policy/testing/bench.ts";
import { PolicyNode } from "../policy/testing/policy-node.ts";
import type { PlacedPolicy } from "./placer.ts";
import { temporaryFolder, TestNames } from "./testing/names.ts";

const patience = () => AbortSignal.timeout(10_000);
const world: PolicyInput[] = ["world-ipv4", "world-ipv6"].map((name, at) => ({
  kind: "identity",
  id: 9 + at,
  labels: [`reserved:${name}`],
  namedPorts: [],
}));

/** Web may reach these names alone. */
const toNames = (...toFQDNs: object[]) => ciliumPolicy("names", { egress: [{ toFQDNs }] });

/** What the agent's own inputs are, but for what comes from the API server. */
class Inputs implements PolicySource {
  readonly #feed = new Feed();
  readonly #told: PolicyInput[] = [...world];
  readonly #sources;

  constructor({ identities, ipcache }: TestNames) {
    this.#sources = [
      tableSource(identities, {
        present: ({ id, labels }) => ({
          kind: "identity",
          id,
          labels: labels.toArray(),
          namedPorts: [],
        }),
        gone: ({ id }) => ({ kind: "identity-gone", id }),
      }),
      addressSource(ipcache.table),
    ];
    for (const source of this.#sources) source.follow((input) => this.#feed.say(input));
  }

  tell(...inputs: readonly PolicyInput[]): void {
    this.#told.push(...inputs);
    for (const input of inputs) this.#feed.say(input);
  }

  subscribe(listener: Parameters<Feed["subscribe"]>[0]): Disposable {
    const tables = this.#sources.flatMap((source) => [...source.inputs()]);
    return this.#feed.subscribe(listener, [...tables, ...this.#told]);
  }

  flush(): void {
    this.#feed.flush();
  }
}

/** An agent, as far as names need one. */
function start(node: PolicyNode, folder: string) {
  const stack = new AsyncDisposableStack();
  let client: PolicyClient | undefined;
  const policy = (): PlacedPolicy => ({
    get isInStep() {
      const status = client?.status();
      return status?.down === undefined && status?.report?.synced === true;
    },
    async placed(signal) {
      // Names are there first here: what they restore the client's worker is to hear.
      while (!client) await sleep(1);
      await client.placed(signal);
    },
  });
  const names = stack.use(new TestNames({ folder, policy, patienceMs: 5000, nowMs: Date.now() }));
  const inputs = new Inputs(names);
  client = stack.use(
    new PolicyClient({
      inputs,
      strangers: [],
      onFqdnSelectors: (texts) =>
        names.engine.setSelectors(
          texts.map((text) => (text.includes("*") ? { matchPattern: text } : { matchName: text })),
        ),
      log: createLog({ level: "silent" }),
      startWorker: () =>
        new Worker(join(import.meta.dirname, "../policy/worker.ts"), {
          workerData: { bpffs: node.bpffs, runDir: node.runDir, settings },
        }),
    }),
  );
  client.start();
  return { names, inputs, client, stack };
}

/** As the programs find out: who has the address first. */
function verdictOf(node: PolicyNode, address: string): string | undefined {
  const rows = openMaps({ bpffs: node.bpffs }).ipcache.list();
  const [row] = rows
    .filter(({ prefix }) => prefix.contains(Address.parse(address)))
    .sort((a, b) => b.prefix.length - a.prefix.length);
  const question = { subject: 1, direction: "egress", identity: row?.identity ?? 0 } as const;
  return node.decide([{ ...question, address, port: 443 }])[0];
}

test("an answer goes to its pod when its address is allowed, and not before", async () => {
  using node = new PolicyNode();
  using folder = temporaryFolder();
  const { names, inputs, client, stack } = start(node, folder.path);
  await using _ = stack;
  inputs.tell(toNames({ matchName: "a.test" }, { matchPattern: "*.test" }), synced);
  const { id } = client.acquire(web);
  assert.equal(id, 1);
  await client.inForce(id, patience());
  while (names.engine.selectors.length < 2) await sleep(5);
  await client.placed(patience());

  const verdict = (address: string) => verdictOf(node, address);
  const resolve = (name: string, address: string) =>
    new Promise<{ readonly verdict: string | undefined; readonly ms: number }>((done) => {
      const startedAt = performance.now();
      names.engine.resolved(
        [
          {
            id: 1,
            client: "10.244.0.1",
            name,
            aliases: [],
            addresses: [{ address, ttlS: 60 }],
            atMs: names.nowMs,
          },
        ],
        () => done({ verdict: verdict(address), ms: performance.now() - startedAt }),
      );
    });
  assert.equal(verdict("203.0.113.1"), "deny");
  // The pair of selectors is new to policies, one of them alone is not.
  for (const [name, address] of [
    ["a.test", "203.0.113.1"],
    ["b.test", "203.0.113.2"],
    ["a.test", "2001:db8::1"],
    ["a.test", "203.0.113.3"],
  ] as const) {
    const { verdict: found, ms } = await resolve(name, address);
    assert.equal(found, "allow", `${name} ${address}`);
    assert.ok(ms < 1000, `${ms} ms`);
  }
  assert.equal((await resolve("a.example", "203.0.113.4")).verdict, "deny");

  inputs.tell(toNames({ matchName: "b.test" }));
  await client.settled(patience());
  await names.placer.settled(patience());
  assert.deepEqual(["203.0.113.1", "203.0.113.2"].map(verdict), ["deny", "allow"]);
  names.engine.clean(() => true);
  await client.placed(patience());
  assert.equal(verdict("203.0.113.2"), "deny");
});

test("over a restart of the agent an allowed address is allowed at every moment", async () => {
  using node = new PolicyNode();
  using folder = temporaryFolder();
  const addresses = ["203.0.113.1", "203.0.113.2", "2001:db8::1"];
  const policy = toNames({ matchName: "a.test" }, { matchPattern: "*.b.test" });
  {
    const { names, inputs, client, stack } = start(node, folder.path);
    await using _ = stack;
    inputs.tell(policy, synced);
    await client.inForce(client.acquire(web).id, patience());
    while (names.engine.selectors.length < 2) await sleep(5);
    names.answer("a.test", addresses, { aliases: ["x.b.test"] });
    names.answer("c.test", ["203.0.113.9"]);
    while (names.claims().length < 3) await sleep(5);
    await client.settled(patience());
  }
  const verdicts = () => addresses.map((address) => verdictOf(node, address)).join();
  assert.equal(verdicts(), "allow,allow,allow");
  const { names, inputs, client, stack } = start(node, folder.path);
  await using _ = stack;
  const seen = new Set<string>();
  const watch = setInterval(() => seen.add(verdicts()), 2);
  try {
    assert.equal(names.claims().length, 3);
    await sleep(50);
    const { id } = client.acquire(web);
    inputs.tell(policy, synced);
    await client.inForce(id, patience());
    client.adopted();
    await client.settled(patience());
    await sleep(100);
  } finally {
    clearInterval(watch);
  }
  assert.deepEqual([...seen], ["allow,allow,allow"]);
});
