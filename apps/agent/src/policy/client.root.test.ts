// The worker as a thread, seen from the main thread: subjects in force, questions, and what becomes of them when the
// thread dies.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { createLog } from "@tsilium/runtime";
import { PolicyClient, type PolicySource } from "./client.ts";
import type { PolicyInput } from "./inputs/model.ts";
import { subjectKeyOf } from "./inputs/model.ts";
import type { ListenerRules, MovedConnection } from "@tsilium/proxy/model.ts";
import type { Acknowledgement, WantedRules } from "../proxy/model.ts";
import {
  cart,
  ciliumPolicy,
  cluster,
  fromApp,
  httpFrom,
  networkPolicy,
  settings,
  synced,
  till,
  web,
} from "./testing/bench.ts";
import { PolicyNode } from "./testing/policy-node.ts";

const patience = () => AbortSignal.timeout(10_000);

/** Inputs, told by hand. */
class Source implements PolicySource {
  readonly #state = new Map<string, PolicyInput>();
  readonly #listeners = new Set<(batch: readonly PolicyInput[]) => void>();

  tell(...inputs: readonly PolicyInput[]): void {
    for (const input of inputs) this.#state.set(subjectKeyOf(input), input);
    for (const listener of this.#listeners) listener(inputs);
  }

  subscribe(listener: (batch: readonly PolicyInput[]) => void): Disposable {
    this.#listeners.add(listener);
    listener([...this.#state.values()]);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  flush(): void {}
}

/** Proxies that do and say what they are told, as long as they are `well`. */
class Proxies {
  readonly enforced = new Map<number, ListenerRules>();
  readonly moved: MovedConnection[] = [];
  wholes = 0;
  isWell = true;
  readonly #acknowledge: (acks: readonly Acknowledgement[]) => void;

  constructor(acknowledge: (acks: readonly Acknowledgement[]) => void) {
    this.#acknowledge = acknowledge;
  }

  want({ whole, listeners, removed }: WantedRules): void {
    if (whole) this.enforced.clear();
    if (whole) this.wholes++;
    for (const port of removed) this.enforced.delete(port);
    for (const rules of listeners) this.enforced.set(rules.port, rules);
    if (this.isWell) this.acknowledge();
  }

  acknowledge(problem?: string): void {
    this.#acknowledge(
      Array.from(this.enforced.values(), ({ port, version }) => ({ port, version, problem })),
    );
  }

  async move(connections: readonly MovedConnection[]): Promise<void> {
    this.moved.push(...connections);
  }
}

async function setUp() {
  const stack = new AsyncDisposableStack();
  const node = stack.use(new PolicyNode());
  const source = new Source();
  const workers: Worker[] = [];
  const selectors: (readonly string[])[] = [];
  const proxies = new Proxies((acks) => client.acknowledge(acks));
  const client: PolicyClient = stack.use(
    new PolicyClient({
      inputs: source,
      proxies,
      onFqdnSelectors: (names) => selectors.push(names),
      strangers: [],
      log: createLog({ level: "silent" }),
      startWorker: () => {
        const worker = new Worker(join(import.meta.dirname, "worker.ts"), {
          workerData: { bpffs: node.bpffs, runDir: node.runDir, settings },
        });
        workers.push(worker);
        return worker;
      },
    }),
  );
  client.start();
  const ingress = (subject: number) =>
    node.decide(
      [cart, till].map(([identity, address]) => ({
        subject,
        direction: "ingress",
        identity,
        address,
        port: 80,
      })),
    );
  return { node, source, client, workers, ingress, proxies, selectors, stack };
}

test("a subject is in force once everything is known, and is shared by what is the same", async () => {
  const { source, client, ingress, stack } = await setUp();
  await using _ = stack;
  source.tell(...cluster, networkPolicy("web", fromApp("cart")));
  const { id } = client.acquire(web);
  assert.equal(client.acquire(web).id, id);
  await assert.rejects(client.inForce(id, AbortSignal.timeout(200)));
  assert.match(String(client.waitingFor), /the API server to tell/);
  source.tell(synced);
  const state = await client.inForce(id, patience());
  assert.deepEqual(state, { id, ingress: "enforcing", egress: "disabled" });
  assert.deepEqual(ingress(id), ["allow", "deny"]);
});

test("settled waits for the last policy, and says what it waits for", async () => {
  const { source, client, ingress, stack } = await setUp();
  await using _ = stack;
  source.tell(...cluster, synced);
  const { id } = client.acquire(web);
  await client.inForce(id, patience());
  assert.deepEqual(ingress(id), ["allow", "allow"]);
  source.tell(networkPolicy("web", fromApp("till")));
  assert.match(String(client.lag()), /1 batches/);
  await client.settled(patience());
  assert.deepEqual(ingress(id), ["deny", "allow"]);
  assert.equal(client.lag(), undefined);
});

test("questions are answered from what is in force", async () => {
  const { source, client, stack } = await setUp();
  await using _ = stack;
  source.tell(...cluster, networkPolicy("web", fromApp("cart")), synced);
  const { id } = client.acquire(web);
  await client.inForce(id, patience());
  const [object] = await client.ask({ kind: "objects" });
  assert.deepEqual([object?.ref.name, object?.valid, object?.revision], ["web", true, 1]);
  const end = (identity: number, address: string, subject: number | undefined) => ({
    identity,
    address,
    subject,
  });
  const explanation = await client.ask({
    kind: "explain",
    from: end(302, "10.244.0.2", undefined),
    to: end(300, "10.244.0.9", id),
    protocol: 6,
    port: 80,
  });
  assert.equal(explanation.verdict, "denied");
  assert.equal(explanation.ingress.defaultDenyBy[0]?.name, "web");
  const rules = await client.ask({ kind: "rules", numbers: undefined });
  assert.ok(rules.some(({ name }) => name.kind === "rule" && name.path === "spec.ingress[0]"));
  const selectors = await client.ask({ kind: "selectors" });
  assert.deepEqual(
    selectors.map(({ identities }) => identities),
    // Carts, and the node itself, which may always come in.
    [[301], [1]],
  );
  await assert.rejects(
    client.ask({
      kind: "explain",
      protocol: 6,
      port: 80,
      from: end(9999, "10.0.0.1", undefined),
      to: end(300, "10.0.0.2", id),
    }),
    /identity 9999 is not known/,
  );
});

test("while there is no worker the kernel keeps its policy and pods wait; another one takes over", async () => {
  const { source, client, workers, ingress, node, stack } = await setUp();
  await using _ = stack;
  source.tell(...cluster, networkPolicy("web", fromApp("cart")), synced);
  const { id } = client.acquire(web);
  await client.inForce(id, patience());
  client.adopted();
  await client.settled(patience());
  const before = node.counts();
  const asked = client.ask({ kind: "objects" });
  await workers[0]?.terminate();
  await asked.catch((error: unknown) => assert.match(String(error), /it ended with code/));
  assert.match(String(client.waitingFor), /the policy worker/);
  assert.deepEqual(ingress(id), ["allow", "deny"]);
  await assert.rejects(client.inForce(id, AbortSignal.timeout(10)));
  source.tell(networkPolicy("web", fromApp("till"), 2));
  await client.settled(patience());
  await client.inForce(id, patience());
  assert.deepEqual(ingress(id), ["deny", "allow"]);
  assert.equal(client.status().restarts, 1);
  while (client.status().report?.adopting) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(node.counts(), before);
});

test("an L7 policy is settled when proxies enforce it and connections follow, and they are told all again by another worker", async () => {
  const { source, client, workers, ingress, node, proxies, selectors, stack } = await setUp();
  await using _ = stack;
  node.setEndpoint(1, "10.244.0.9");
  source.tell(...cluster, synced);
  const { id } = client.acquire(web);
  await client.inForce(id, patience());
  assert.deepEqual([proxies.wholes, proxies.enforced.size, selectors], [1, 0, [[]]]);
  proxies.isWell = false;
  source.tell(ciliumPolicy("l7", httpFrom(["/a"], "cart")));
  await assert.rejects(client.settled(AbortSignal.timeout(300)));
  assert.match(String(client.waitingFor), /listener 11008: no proxy has acknowledged/);
  assert.deepEqual(ingress(id), ["allow", "allow"]);
  proxies.acknowledge("no engine");
  await assert.rejects(client.settled(AbortSignal.timeout(100)));
  assert.equal(client.waitingFor, "listener 11008: no engine");
  proxies.isWell = true;
  proxies.acknowledge();
  await client.settled(patience());
  assert.deepEqual(ingress(id), ["redirect 11008", "deny"]);
  node.setProxied({
    client: { identity: cart[0], address: cart[1], port: 40_000 },
    server: { identity: 300, address: "10.244.0.9", port: 80 },
    proxyPort: 11_008,
  });
  source.tell(ciliumPolicy("l7", httpFrom(["/b"], "cart")));
  await client.settled(patience());
  assert.deepEqual(
    proxies.moved.map(({ from, to }) => [from, to]),
    [[11_008, 11_009]],
  );
  await workers[0]?.terminate();
  await client.settled(patience());
  assert.deepEqual([proxies.wholes, [...proxies.enforced.keys()]], [2, [11_009]]);
  assert.deepEqual(selectors, [[], []]);
});
