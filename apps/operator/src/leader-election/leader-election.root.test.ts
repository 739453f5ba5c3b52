// Two operators as processes, one of them killed, stopped, cut off or told to end. Who wrote is told by an independent
// log: the API server's own, by the token that each of them comes with.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, test } from "node:test";
import { ApiServer, createPki } from "@tsilium/apiserver";
import { KubeClient, resources } from "@tsilium/kube";

const main = join(import.meta.dirname, "../main.ts");
const folder = mkdtempSync(join(tmpdir(), "tsilium-leaders-"));
const names = ["a", "b"] as const;
type Name = (typeof names)[number];

/** A request that was to change something, whether or not the server did so: it would not refuse every late one. */
type Write = { readonly by: Name; readonly atMs: number; readonly path: string };
const writes: Write[] = [];

let server: ApiServer;
let client: KubeClient;
const wires = new Map<Name, Wire>();
const running = new Map<Name, ChildProcess>();
const signal = AbortSignal.timeout(120_000);

/**
 * A TCP forwarder that can be cut on the way to the server: what an operator sends is held, what it is told arrives. So it
 * goes on to have work, and what it writes about it is under way for as long as the wire is cut.
 */
type Wire = { readonly port: number; cut(): void; mend(): void; close(): void };

async function wireTo(port: number): Promise<Wire> {
  const nears = new Set<Socket>();
  let isCut = false;
  const listener: Server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    nears.add(near);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on("data", (bytes) => void to.write(bytes));
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
    }
    near.on("close", () => nears.delete(near));
    if (isCut) near.pause();
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");
  return {
    port: (listener.address() as { port: number }).port,
    cut: () => {
      isCut = true;
      for (const near of nears) near.pause();
    },
    mend: () => {
      isCut = false;
      for (const near of nears) near.resume();
    },
    close: () => {
      for (const near of nears) near.resetAndDestroy();
      listener.close();
    },
  };
}

before(async () => {
  const pki = await createPki(join(folder, "pki"));
  server = await ApiServer.start({
    dataDir: join(folder, "data"),
    pki,
    listeners: [{ address: "127.0.0.1", port: 0 }],
    tokens: [...names, "test"].map((name) => ({
      token: `token-of-${name}`,
      name,
      groups: ["system:masters"],
    })),
    log: ({ method, path, user }) => {
      const isLease = path.includes("/leases");
      if (method !== "GET" && user !== "test" && !isLease)
        writes.push({ by: user as Name, atMs: performance.now(), path });
    },
  });
  const port = Number(new URL(server.origin).port);
  client = new KubeClient({ server: server.origin, ca: pki.ca, token: "token-of-test" });
  for (const name of names) {
    const wire = await wireTo(port);
    wires.set(name, wire);
    const cluster = {
      server: `https://127.0.0.1:${wire.port}`,
      "certificate-authority-data": Buffer.from(pki.ca).toString("base64"),
    };
    const config = {
      clusters: [{ name: "c", cluster }],
      users: [{ name: "u", user: { token: `token-of-${name}` } }],
      contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
      "current-context": "x",
    };
    writeFileSync(join(folder, name), JSON.stringify(config), { mode: 0o600 });
  }
});
after(async () => {
  for (const child of running.values()) child.kill("SIGKILL");
  for (const wire of wires.values()) wire.close();
  client[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

type Started = { readonly child: ChildProcess; readonly exit: Promise<number | null> };

/** Resolves when the operator waits or leads. */
async function start(name: Name, awaited: RegExp): Promise<Started> {
  const flags = {
    kubeconfig: join(folder, name),
    "cluster-pool-ipv4-cidr": "10.244.0.0/16",
    "leader-election-lease-duration": "3s",
    "leader-election-renew-deadline": "2s",
    "leader-election-retry-period": "200ms",
    "cilium-endpoint-gc-interval": "0",
    "policy-webhook-serve-addr": "",
    "operator-prometheus-serve-addr": "",
    "operator-api-serve-addr": "",
  };
  const child = spawn(
    process.execPath,
    [main, ...Object.entries(flags).map(([key, value]) => `--${key}=${value}`)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  running.set(name, child);
  const exit = once(child, "exit").then(([code]) => code as number | null);
  const lines = createInterface(child.stdout);
  await new Promise<void>((resolve, reject) => {
    lines.on("line", (line) => awaited.test(line) && resolve());
    lines.on("close", () => reject(new Error(`${name} ended`)));
  });
  return { child, exit };
}

const ready = /"operator is ready"/;
const waits = /"who leads"/;

async function holder(): Promise<string> {
  const lease = await client.get(resources.leases, "cilium-operator-resource-lock", {
    namespace: "kube-system",
    signal,
  });
  return lease.spec?.holderIdentity ?? "";
}

let nodes = 0;

/** Gives the leader work, many small pieces a second, while something happens; answers what was written meanwhile. */
async function whileWorking(body: () => Promise<void>): Promise<readonly Write[]> {
  const from = writes.length;
  const stop = new AbortController();
  const working = (async () => {
    while (!stop.signal.aborted) {
      const name = `node-${++nodes}`;
      await client.create(resources.nodes, { metadata: { name } }, { signal });
      await client.create(resources.ciliumNodes, { metadata: { name }, spec: {} }, { signal });
      await sleep(20);
    }
  })();
  await body().finally(() => stop.abort());
  await working;
  return writes.slice(from);
}

/** One changes over to the other, once: nobody writes after the other has begun. */
function assertHandedOver(done: readonly Write[], from: Name, to: Name): void {
  const order = done.map(({ by }) => by).join("");
  assert.match(order, new RegExp(`^${from}+${to}+$`), `who wrote: ${order}`);
}

async function untilWrites(by: Name, since: number): Promise<number> {
  for (;;) {
    const found = writes.slice(since).find((write) => write.by === by);
    if (found) return found.atMs;
    await sleep(10, undefined, { signal });
  }
}

/** Something happens to the leader; the other must take over. Answers the time it took in milliseconds. */
async function handOver(from: Name, to: Name, happens: () => Promise<void>): Promise<number> {
  let tookMs = 0;
  const done = await whileWorking(async () => {
    await untilWrites(from, writes.length);
    const begunMs = performance.now();
    const since = writes.length;
    await happens();
    tookMs = (await untilWrites(to, since)) - begunMs;
    await sleep(400);
  });
  assertHandedOver(done, from, to);
  return tookMs;
}

test("leadership goes from one operator to the other whatever becomes of the first, and only one ever writes", async (context) => {
  let a = await start("a", ready);
  let b = await start("b", waits);

  const told = await handOver("a", "b", async () => void a.child.kill("SIGTERM"));
  assert.equal(await a.exit, 0);
  context.diagnostic(`told to end: ${Math.round(told)} ms`);
  assert.ok(told < 2_500, `${told} ms: a Lease that was given back is not waited for`);

  a = await start("a", waits);
  const killed = await handOver("b", "a", async () => void b.child.kill("SIGKILL"));
  context.diagnostic(`killed: ${Math.round(killed)} ms`);
  assert.ok(killed > 800, "a leader that is silent has its time");

  b = await start("b", waits);
  const stopped = await handOver("a", "b", async () => void a.child.kill("SIGSTOP"));
  context.diagnostic(`stopped: ${Math.round(stopped)} ms`);
  // What it had under way goes on where it stopped.
  const afterwards = await whileWorking(async () => {
    a.child.kill("SIGCONT");
    assert.equal(await a.exit, 1);
    await untilWrites("b", writes.length);
  });
  assert.ok(
    afterwards.every(({ by }) => by === "b"),
    "a wrote when it went on",
  );

  a = await start("a", waits);
  const cut = await handOver("b", "a", async () => wires.get("b")?.cut());
  context.diagnostic(`cut off: ${Math.round(cut)} ms`);
  assert.equal(await b.exit, 1);
  // What was on its way when the wire was cut arrives now, if it was not taken back.
  const late = await whileWorking(async () => {
    wires.get("b")?.mend();
    await sleep(500);
  });
  assert.ok(
    late.every(({ by }) => by === "a"),
    "b wrote after it had lost the Lease",
  );

  assert.match(await holder(), /-[0-9a-f]{10}$/);
  a.child.kill("SIGTERM");
  assert.equal(await a.exit, 0);
  assert.equal(await holder(), "");
});
