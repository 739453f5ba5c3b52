// kill -9 of an agent, of the relay, of the page's server; a node that leaves and joins; a history file that is damaged. Who follows
// goes on following, what was seen stays seen, and nothing is told twice.
//
//   node-1: client      node-2: far      client asks far, each time from another port
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  globSync,
  readFileSync,
  statSync,
  truncateSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import {
  echoPod,
  isAgentWell,
  killProcess,
  Lab,
  manifests,
  namespaceManifest,
  processPid,
  root,
  until,
} from "./harness.ts";
import { Knocks } from "./knocks.ts";
import { Follower, hubble, observe, type SeenFlow } from "./hubble/seen.ts";
import { Ticker } from "./hubble/ticker.ts";
import { Client } from "./services/requests.ts";

const namespace = "ticks";
/** What the history may lose with an agent's life (docs/hubble-history.md), and a little. */
const unkeptMs = 1_500;
/** What an agent's last look into the kernel's rings found may be told twice (docs/hubble-flows.md), or not: every 20 to 100 ms. */
const lastLookMs = 250;
/** A request and its answer, at each node. */
const flowsPerRequest = 2;

let lab: Lab;
/** They take a batch at a time: a ticker's, and who looks whether it is seen. */
let client: Client;
let prober: Client;
let far = "";
let nextPort = 10_000;

before(async () => {
  lab = await Lab.up({ name: `t${process.pid}hfaults` });
  await lab.apply(
    manifests(
      namespaceManifest(namespace),
      echoPod({ name: "client", namespace, node: "node-1" }),
      echoPod({ name: "far", namespace, node: "node-2" }),
    ),
  );
  await lab.wait(namespace);
  const pod = (await lab.pods(namespace)).find(({ metadata }) => metadata.name === "far");
  far = pod?.status.podIPs?.[0]?.ip ?? "";
  client = Client.inPod(lab, namespace, "client");
  prober = Client.inPod(lab, namespace, "client");
});
after(async () => {
  await client?.[Symbol.asyncDispose]();
  await prober?.[Symbol.asyncDispose]();
  await lab?.[Symbol.asyncDispose]();
});

function ticker(): Ticker {
  const firstPort = nextPort;
  nextPort += 1_000;
  return new Ticker({ client, address: far, firstPort, intervalMs: 20 });
}

/** Follows this file's flows, from a moment on from which none is missed. */
async function follow(): Promise<Follower> {
  const follower = new Follower(lab, "--namespace", namespace);
  const deadline = Date.now() + 10_000;
  while (follower.flows.length < 2 * flowsPerRequest) {
    assert.ok(Date.now() < deadline, `nothing is seen: ${follower.told}`);
    await prober.one({ protocol: "udp", address: far, port: 8080, fromPort: nextPort++ });
    await follower.until(() => follower.flows.length >= 2 * flowsPerRequest, 1_500);
  }
  return follower;
}

/** What an agent's end may cost. */
const endings = {
  "is killed": { signal: "SIGKILL", unseenMs: lastLookMs, unkeptMs },
  "is ended": { signal: "SIGTERM", unseenMs: 0, unkeptMs: 0 },
} as const;

for (const [how, cost] of Object.entries(endings))
  test(`an agent that ${how}: who follows goes on, sees all, and nothing twice`, () =>
    assertFollowedThrough(cost));

async function assertFollowedThrough(cost: (typeof endings)[keyof typeof endings]): Promise<void> {
  await using follower = await follow();
  await using ticks = ticker();
  await sleep(1_500);
  let killedAt = 0;
  await killProcess(lab, "agent/node-2", {
    signal: cost.signal,
    meanwhile: async () => void (killedAt = Date.now()),
    returned: () => isAgentWell(lab, "node-2"),
  });
  await sleep(500);
  await ticks.end();
  await untilComplete(follower, ticks);

  assert.ok(follower.running);
  assert.deepEqual(follower.nodeStates, [
    "NODE_CONNECTED node-1 node-2",
    "NODE_UNAVAILABLE node-2",
    "NODE_CONNECTED node-2",
  ]);
  const { flows } = follower;
  assert.deepEqual(doubled(flows.map(({ uuid }) => uuid)), []);
  assert.deepEqual(oddOnes(ticks, flows, "node-1"), []);
  const unsure = oddOnes(ticks, flows, "node-2").filter(
    ([port]) => !isAt(ticks, port, killedAt, cost.unseenMs),
  );
  assert.deepEqual(unsure, [], "each once, but for the last look");

  const kept = await observe(lab, "--since", sinceOf(ticks), "--namespace", namespace);
  assert.deepEqual(doubled(kept.map(({ uuid }) => uuid)), []);
  assert.deepEqual(oddOnes(ticks, kept, "node-1"), []);
  const lost = oddOnes(ticks, kept, "node-2").filter(
    ([port]) => !isAt(ticks, port, killedAt, cost.unkeptMs),
  );
  assert.deepEqual(lost, [], "flows of before the kill are kept");
  const times = kept.map(({ time }) => time);
  assert.deepEqual(times, times.toSorted());
}

test("an agent that is killed again and again has one history", async () => {
  await using ticks = ticker();
  for (let life = 0; life < 2; life++) {
    await sleep(unkeptMs);
    await killProcess(lab, "agent/node-2", { returned: () => isAgentWell(lab, "node-2") });
  }
  await ticks.end();
  const kept = async () =>
    observe(lab, "--since", sinceOf(ticks), "--node-name", "node-2", "--namespace", namespace);
  await until(
    "the last flow is kept",
    async () =>
      (ticks.countIn(await kept(), "node-2").get(Math.max(...ticks.asked.keys())) ?? 0) > 0,
  );
  const flows = await kept();
  assert.deepEqual(doubled(flows.map(({ uuid }) => uuid)), []);
  const counts = [...ticks.countIn(flows, "node-2").values()];
  // What a kill may cost, twice.
  const missing = counts.filter((count) => count === 0).length;
  assert.ok(missing * 20 < 2 * unkeptMs, `${missing} of ${counts.length} requests are not kept`);
  assert.ok(counts.filter((count) => count > flowsPerRequest).length * 20 < 2 * lastLookMs);
});

test("the relay that is killed: nothing is lost of what agents have, and clients are told", async () => {
  await using follower = await follow();
  await using ticks = ticker();
  await sleep(300);
  await killProcess(lab, "relay", {
    returned: async () => (await hubble(lab, "status")).stdout.includes("Connected Nodes: 2/2"),
  });
  assert.ok(await follower.until(() => !follower.running), "its stream ends");
  assert.match(follower.told, /the connection was lost/);
  await using second = await follow();
  await sleep(300);
  await ticks.end();
  for (const node of ["node-1", "node-2"]) {
    const seen = async () => observe(lab, "--since", sinceOf(ticks), "--namespace", namespace);
    await until("all is seen", async () => oddOnes(ticks, await seen(), node).length === 0);
  }
  assert.ok(second.running);
});

test("the page's server that is killed holds nothing, and is there again when it is started", async () => {
  await using follower = await follow();
  for (let life = 0; life < 2; life++) {
    const page = new Page(lab);
    try {
      await page.serving();
    } finally {
      await page.kill();
    }
  }
  await using ticks = ticker();
  await sleep(300);
  await ticks.end();
  await untilComplete(follower, ticks);
  for (const node of ["node-1", "node-2"])
    assert.deepEqual(oddOnes(ticks, follower.flows, node), []);
});

test("a history that was torn while its agent was down is read up to there, and goes on", async () => {
  await using before = ticker();
  await sleep(500);
  await before.end();
  await knockUntil(async () =>
    (await segmentsOf("node-2")).some((file) => statSync(file).size > 150_000),
  );
  await sleep(unkeptMs);
  const kept = await historyOf("node-2");
  assert.deepEqual(oddOnes(before, kept, "node-2"), []);

  await whileDown("agent/node-2", async () => {
    // The last block of what is closed, and behind the journal's.
    const segment = (await segmentsOf("node-2")).at(-1) as string;
    truncateSync(segment, statSync(segment).size - 100);
    appendFileSync(`${historyFolder("node-2")}/flows-journal.v1`, Buffer.alloc(1_000, 0xa5));
  });
  assert.deepEqual(uuidsOf(await historyOf("node-2")), uuidsOf(kept), "what was whole is read");
  const { parts } = await lab.json<Status>("--node", "node-2", "status");
  const health = parts.find(({ name }) => name === "hubble");
  assert.match(health?.message ?? "", /, 2 damaged parts passed over/);

  await using after = ticker();
  await sleep(300);
  await after.end();
  await until(
    "it goes on",
    async () => oddOnes(after, await historyOf("node-2"), "node-2").length === 0,
  );
});

test("a node that leaves is said to be gone, and one that joins is followed", async () => {
  await using follower = await follow();
  const { stdout } = await lab.lab("get", "node", "node-2", "-o", "json");
  assert.equal((await lab.lab("delete", "node", "node-2")).status, 0);
  await follower.until(() => follower.nodeStates.includes("NODE_GONE node-2"));
  assert.deepEqual(follower.nodeStates, ["NODE_CONNECTED node-1 node-2", "NODE_GONE node-2"]);
  const node = JSON.parse(stdout) as { metadata: object };
  const {
    uid: _,
    resourceVersion: __,
    creationTimestamp: ___,
    ...metadata
  } = node.metadata as Record<string, unknown>;
  await lab.apply(JSON.stringify({ ...node, metadata }));
  const agent = await processPid(lab, "agent/node-2");
  process.kill(agent, "SIGKILL");
  await follower.until(() => follower.nodeStates.at(-1) === "NODE_CONNECTED node-2", 30_000);
  assert.equal(follower.nodeStates.at(-1), "NODE_CONNECTED node-2", follower.told);
});

/** Waits until the last request has been seen at both nodes, and what came before it surely has. */
async function untilComplete(follower: Follower, ticks: Ticker): Promise<void> {
  const last = Math.max(...ticks.asked.keys());
  await follower.until(() =>
    ["node-1", "node-2"].every(
      (node) => (ticks.countIn(follower.flows, node).get(last) ?? 0) >= flowsPerRequest,
    ),
  );
  await sleep(300);
}

/** Requests of which more or less is seen than there was. */
function oddOnes(
  ticks: Ticker,
  flows: readonly SeenFlow[],
  node: string,
): (readonly [number, number])[] {
  assert.notEqual(ticks.asked.size, 0);
  return [...ticks.countIn(flows, node)].filter(([, count]) => count !== flowsPerRequest);
}

/** Whether a request was asked within so long before a moment. */
function isAt(ticks: Ticker, port: number, atMs: number, withinMs: number): boolean {
  if (withinMs === 0) return false;
  const askedMs = ticks.asked.get(port) ?? 0;
  return askedMs <= atMs + 50 && askedMs >= atMs - withinMs;
}

function sinceOf(ticks: Ticker): string {
  return new Date(Math.min(...ticks.asked.values()) - 100).toISOString();
}

function doubled(texts: readonly string[]): string[] {
  const seen = new Set<string>();
  return texts.filter((text) => seen.size === seen.add(text).size);
}

type Status = { readonly parts: readonly { readonly name: string; readonly message: string }[] };

/** Requests' flows that a node's agent has. */
function historyOf(node: string): Promise<SeenFlow[]> {
  const server = `unix:///var/run/tsilium/lab/${lab.name}/${node}/hubble.sock`;
  return observe(lab, "--all", "--namespace", namespace, "--port", "8080", "--server", server);
}

function historyFolder(node: string): string {
  return `/var/run/tsilium/lab/${lab.name}/${node}/hubble`;
}

/** Of flows, oldest first. */
async function segmentsOf(node: string): Promise<string[]> {
  return globSync(`${historyFolder(node)}/flows-*[0-9].v1`).toSorted();
}

function uuidsOf(flows: readonly SeenFlow[]): string[] {
  return flows.map(({ uuid }) => uuid);
}

/** Connections by the thousands to a port of far, for as long as it takes. */
async function knockUntil(enough: () => Promise<boolean>): Promise<void> {
  await using _ = await Knocks.start(lab, {
    namespace,
    from: "client",
    to: "far",
    address: far,
    port: 9_000,
    intervalUs: 100,
  });
  await until("there are flows enough", enough);
}

/** Kills a process of the lab, does something, and only then lets the lab start it again. */
async function whileDown(name: string, act: () => Promise<void>): Promise<void> {
  const daemon = await processPid(lab, "daemon");
  const pid = await processPid(lab, name);
  process.kill(daemon, "SIGSTOP");
  try {
    process.kill(pid, "SIGKILL");
    await until("it is gone", async () => !existsSync(`/proc/${pid}/exe`) || isZombie(pid));
    await act();
  } finally {
    process.kill(daemon, "SIGCONT");
  }
  const node = name.replace("agent/", "");
  await until(
    `${name} is back`,
    async () => (await isAgentWell(lab, node)) && (await processPid(lab, name)) !== pid,
  );
}

/** Its parent, who is stopped, has not heard of its end. */
function isZombie(pid: number): boolean {
  return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
}

/** The server that `tsilium lab ui` starts. */
class Page {
  readonly #child: ChildProcess;
  readonly #url: Promise<string>;

  constructor({ name }: Lab) {
    const lab = `/var/run/tsilium/lab/${name}`;
    const flags = ["--relay", `unix://${lab}/relay.sock`, "--kubeconfig", `${lab}/kubeconfig`];
    const words = [join(root, "dist/js/ui.mjs"), ...flags, "--listen", "127.0.0.1:0"];
    this.#child = spawn(process.execPath, words, { stdio: ["ignore", "pipe", "inherit"] });
    const lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
    this.#url = new Promise((resolve) => {
      lines.on("line", (line) => {
        const { url } = JSON.parse(line) as { url?: string };
        if (url) resolve(url);
      });
    });
  }

  /** Resolves when it has answered a browser's first question. */
  async serving(): Promise<void> {
    let status: number | undefined;
    void this.#url.then(async (url) => {
      const answer = await fetch(url);
      status = answer.status;
    });
    await until("the page is served", async () => status === 200);
  }

  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }
}
