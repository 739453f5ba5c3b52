// Rules at L7 while they change, and while what enforces them dies: nothing passes that they forbid, nothing is lost that
// they allow, and nothing is left behind.
//
//   node-1: client, near     node-2: far, broker     (l7/fault-lab.ts: requests pass the client's proxy and the server's)
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { after, afterEach, before, describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { KubeObject } from "@tsilium/kube";
import { assertCensus, census } from "./census.ts";
import {
  echoPod,
  isAgentWell,
  killProcess,
  Lab,
  manifests,
  namespaceManifest,
  soak,
  until,
} from "./harness.ts";
import {
  egressRules,
  expected,
  FaultLab,
  flipRules,
  nodes,
  otherPolicy,
  plainPolicy,
  policies,
  ports,
  processCensus,
  servers,
} from "./l7/fault-lab.ts";
import { assertUnbroken, isLost, requestsIn, wrongIn, wrongWithin } from "./l7/outcomes.ts";
import type { Flow, Outcomes } from "./l7/load.ts";
import { LabObjects } from "./lab-objects.ts";
import { type Change, flip, type FlipWindows } from "./revocation/flips.ts";

const wantedRequests = soak ? 100_000 : 10_000;
/** Each of three rule sets: two on one node, and one on the other. */
const upgrades = soak ? 1_000 : 34;

let l7: FaultLab;

/** Ways to forbid `/flip` and to allow it again, each at another place. */
function changes(): Change[] {
  const { objects, pods } = l7;
  const patched = (sentence: string, object: keyof typeof policies, specs: [object, object]) => ({
    sentence,
    deny: () => objects.patch(policies[object], { spec: specs[0] }),
    allow: () => objects.patch(policies[object], { spec: specs[1] }),
  });
  return [
    patched("the servers' rule changes", "flip", [flipRules("/flop"), flipRules("/flip")]),
    {
      sentence: "the servers' policy goes",
      deny: () => objects.delete(policies.flip),
      allow: () => objects.create(policies.flip),
    },
    patched("the client's own rule changes", "client", [
      egressRules("/(always|never)"),
      egressRules("/(always|never|flip)"),
    ]),
    {
      sentence: "the client's label goes",
      deny: () => objects.patch(pods["client"]!, { metadata: { labels: { tier: null } } }),
      allow: () => objects.patch(pods["client"]!, { metadata: { labels: { tier: "gold" } } }),
    },
  ];
}

const keptAlive = {
  port: ports.web,
  paths: Object.keys(expected).flatMap((path) => ["/flip", path]),
  pauseMs: 4,
};

/** Each change and its opposite. */
function flipAll(): Promise<FlipWindows> {
  const inKernels = () => l7.objects.inKernels();
  return flip(changes(), { times: changes().length, inKernels, lookMs: 150 });
}

/** Connections of both versions of HTTP, over both families, to both servers; and names. */
function everyFlow(): Flow[] {
  const dns = (id: string, name: string) => ({
    kind: "dns" as const,
    id,
    address: l7.address("dns", 4),
    port: 53,
    paths: [name],
    pauseMs: 10,
  });
  return [
    ...l7.flows({ kind: "keep", ...keptAlive }),
    ...l7.flows({ kind: "h2", ...keptAlive }),
    dns("names that are allowed", "n#.world.test"),
    dns("names that are not", "n#.other.test"),
  ];
}

/** Somebody else's rules change all the while. */
function othersChange(): AsyncDisposable {
  const { objects } = l7;
  let ending = false;
  const running = (async () => {
    for (let at = 0; !ending; at++) {
      await objects.create(otherPolicy(at));
      await sleep(150);
      await objects.delete(otherPolicy(at));
      await sleep(150);
    }
  })();
  return {
    [Symbol.asyncDispose]: async () => {
      ending = true;
      await running;
    },
  };
}

describe("under traffic", () => {
  before(async () => {
    l7 = await FaultLab.up();
  });
  after(() => l7?.[Symbol.asyncDispose]());
  // Whatever became of a test, its flows are over.
  afterEach(async () => {
    for (const who of ["client", "guest"] as const) await l7.order({ kind: "stop" }, who);
  });

  test(`${wantedRequests} requests of connections that are kept, while policies, labels and others' policies change`, async (t) => {
    const flows = everyFlow();
    await l7.order({ kind: "start", flows });
    const all: Outcomes[] = [];
    let flips = 0;
    {
      await using _ = othersChange();
      for (let count = 0, round = 0; count < wantedRequests || round < 2; round++) {
        const windows = await flipAll();
        const outcomes = await l7.order({ kind: "look" });
        assert.deepEqual(wrongWithin(outcomes, "/flip", windows), []);
        flips += windows.denied.length;
        all.push(outcomes);
        count += requestsIn(outcomes);
      }
    }
    all.push(await l7.order({ kind: "stop" }));
    for (const outcomes of all) {
      assertUnbroken(outcomes);
      assert.deepEqual(wrongIn(outcomes, expected), []);
    }
    const count = all.reduce((sum, outcomes) => sum + requestsIn(outcomes), 0);
    t.diagnostic(`${count} requests of ${flows.length} flows, rules changed ${2 * flips} times`);
  });

  test("an agent that is killed is missed by nobody, and the next one takes over its proxies", async (t) => {
    await l7.order({ kind: "start", flows: everyFlow() });
    for (const node of nodes) {
      const before = await proxyPids(node);
      let meanwhile = 0;
      await killProcess(l7.lab, `agent/${node}`, {
        meanwhile: async () => {
          await l7.order({ kind: "look" });
          await sleep(300);
          const outcomes = await l7.order({ kind: "look" });
          meanwhile = requestsIn(outcomes);
          assertUnbroken(outcomes);
          assert.deepEqual(wrongIn(outcomes, { ...expected, "/flip": 200 }), []);
        },
        returned: () => isAgentWell(l7.lab, node),
      });
      assert.ok(meanwhile > 100, `${meanwhile} requests without an agent`);
      t.diagnostic(`${node}: ${meanwhile} requests in 300 ms without an agent`);
      await l7.objects.inKernels();
      assert.deepEqual(await proxyPids(node), before);
      const outcomes = await l7.order({ kind: "look" });
      assertUnbroken(outcomes);
      assert.deepEqual(wrongIn(outcomes, { ...expected, "/flip": 200 }), []);
    }
    // The very connections that were there before follow what the new agents say.
    const windows = await flipAll();
    const outcomes = await l7.order({ kind: "stop" });
    assertUnbroken(outcomes);
    assert.deepEqual(wrongIn(outcomes, expected), []);
    assert.deepEqual(wrongWithin(outcomes, "/flip", windows), []);
  });

  for (const { who, node, name } of [
    { who: "client", node: "node-1", name: "engine-egress" },
    { who: "guest", node: "node-1", name: "engine-ingress" },
    { who: "guest", node: "node-2", name: "engine-ingress" },
  ] as const)
    test(`${name} of ${node} is killed: back within a second, closed meanwhile, connections end`, async (t) => {
      // Of the guest's own nothing is looked into: what its servers refuse alone.
      const of = who === "guest" ? { ...expected, "/hidden": 200 } : expected;
      const wanted = { ...of, "/flip": 200 };
      const slow = { ...keptAlive, pauseMs: 20 };
      const kept = [...l7.flows({ kind: "keep", ...slow }), ...l7.flows({ kind: "h2", ...slow })];
      // New ones all the time, which are given up at once: what is dropped is sent again only after a second.
      const fresh = l7.flows({ kind: "fresh", ...keptAlive, pauseMs: 10, patienceMs: 100 });
      const server = Object.entries(servers).find(([, at]) => at === node)?.[0];
      const isThrough = ({ id }: Flow) => name === "engine-egress" || id.includes(` ${server} `);
      const before = await openConnections();
      await l7.order({ kind: "start", flows: [...kept, ...fresh] }, who);
      const { pid, restarts } = await l7.proxy(node, name);
      const atFirst = await l7.order({ kind: "look" }, who);
      // Fresh ones are given up when a busy machine takes longer than their patience.
      assertUnbroken(
        Object.fromEntries(kept.flatMap(({ id }) => (atFirst[id] ? [[id, atFirst[id]]] : []))),
      );
      const killedUs = nowUs();
      process.kill(pid, "SIGKILL");
      await sleep(backWithinMs() + 500);
      const outcomes = await l7.order({ kind: "stop" }, who);
      assert.deepEqual(wrongIn(outcomes, wanted, "lost"), []);

      const servedAfterMs = fresh
        .filter(isThrough)
        .map(({ id }) => servedAfter(outcomes[id], killedUs));
      t.diagnostic(`served again after ${Math.max(...servedAfterMs)} ms`);
      assert.ok(
        servedAfterMs.every((ms) => ms < backWithinMs()),
        `served again after ${servedAfterMs.join(", ")} ms`,
      );
      const ends = kept.map((flow) => [flow.id, outcomes[flow.id]?.ended?.how ?? "goes on"]);
      const isEnd = (how: string) => how === "reset" || how === "closed";
      assert.deepEqual(
        kept.map((flow, at) => [
          flow.id,
          isThrough(flow) ? isEnd(ends[at]?.[1] ?? "") : ends[at]?.[1],
        ]),
        kept.map((flow) => [flow.id, isThrough(flow) ? true : "goes on"]),
        JSON.stringify(ends),
      );
      const report = await l7.proxy(node, name);
      assert.equal(report.restarts, restarts + 1);
      assert.notEqual(report.pid, pid);
      // At the servers, too, nothing is left of them.
      await until(
        "servers have no connections left",
        async () => (await openConnections()) <= before,
      );
    });

  test("the DNS proxy is killed: back within a second, closed meanwhile", async (t) => {
    const fast = everyFlow()
      .filter(({ kind }) => kind === "dns")
      .map((flow) => ({ ...flow, pauseMs: 2, patienceMs: 100 }));
    await l7.order({ kind: "start", flows: fast });
    const { pid } = await l7.proxy("node-1", "dns");
    await l7.order({ kind: "look" });
    const killedUs = nowUs();
    process.kill(pid, "SIGKILL");
    await sleep(backWithinMs() + 500);
    const outcomes = await l7.order({ kind: "stop" });
    assert.deepEqual(wrongIn(outcomes, expected, "lost"), []);
    const servedAfterMs = servedAfter(outcomes["names that are allowed"], killedUs);
    t.diagnostic(`served again after ${servedAfterMs} ms`);
    assert.ok(servedAfterMs < backWithinMs(), `${servedAfterMs} ms`);
    assert.notEqual((await l7.proxy("node-1", "dns")).pid, pid);
  });

  for (const [node, name] of [
    ["node-1", "kafka-egress"],
    ["node-2", "kafka-ingress"],
  ] as const)
    test(`${name} is killed: back within a second, closed meanwhile`, async (t) => {
      const kcat = async (topic: string) => {
        const broker = `${l7.address("broker", 4)}:${ports.kafka}`;
        const words = ["timeout", "1", "kcat", "-b", broker, "-L", "-t", topic];
        const { output } = await l7.asker.ask<{ output: string }>({ kind: "run", command: words });
        if (/topic "\w+" with 1 partitions/.test(output)) return "told";
        return /authorization failed/.test(output) ? "denied" : "nothing";
      };
      assert.equal(await kcat("orders"), "told");
      const { pid } = await l7.proxy(node, name);
      const killedUs = nowUs();
      process.kill(pid, "SIGKILL");
      let told = false;
      while (!told && nowUs() - killedUs < 5_000_000) {
        assert.notEqual(await kcat("audit"), "told");
        told = (await kcat("orders")) === "told";
      }
      const ms = Math.round((nowUs() - killedUs) / 1000);
      t.diagnostic(`served again after ${ms} ms, counted by starts of kcat`);
      // A first packet that was dropped is sent again after a second.
      assert.ok(told && ms < 3_000, `${ms} ms`);
      assert.equal(await kcat("audit"), "denied");
      assert.notEqual((await l7.proxy(node, name)).pid, pid);
    });

  test(`rules of both sides are changed ${upgrades} times: nothing is left of it`, async (t) => {
    const { flip: ofServers, client: ofClient } = policies;
    const change = async (paths: string) => {
      await Promise.all([
        l7.objects.patch(ofServers, { spec: flipRules(paths) }),
        l7.objects.patch(ofClient, { spec: egressRules(`/(always|never)|${paths}`) }),
      ]);
      await l7.objects.inKernels();
    };
    // What is made once and kept is there before it is counted.
    for (let at = 0; at < 5; at++) await change(`/before-${at}`);
    const before = await everyCensus();
    const kept = { kind: "keep", port: ports.web, paths: ["/always"], pauseMs: 20 } as const;
    await l7.order({ kind: "start", flows: l7.flows(kept) });
    for (let at = 1; at <= upgrades; at++) {
      await change(`/upgrade-${at}`);
      if (at % 10 > 0) continue;
      const codes = await Promise.all([`/upgrade-${at}`, `/upgrade-${at - 1}`].map(codeOf));
      assert.deepEqual(codes, ["200", "403"]);
    }
    const outcomes = await l7.order({ kind: "stop" });
    assertUnbroken(outcomes);
    t.diagnostic(`${requestsIn(outcomes)} requests meanwhile`);
    await change("/flip");
    for (const node of nodes) await assertProxyCensus(node, before.proxies[node], t);
    for (const node of nodes) await assertCensus(l7.lab, node, before.agents[node]);
  });

  test("connections that were there before rules are reset at both ends, and live on after them", async () => {
    const plain = { port: ports.plain, paths: ["/always", "/never"], pauseMs: 10 } as const;
    await l7.order({ kind: "start", flows: l7.flows({ kind: "keep", ...plain }) });
    const before = await Promise.all([l7.connections("near"), l7.connections("far")]);
    assertUnbroken(await l7.order({ kind: "look" }));
    await l7.objects.create(plainPolicy);
    await l7.objects.inKernels();
    await until("all have ended", async () => {
      const outcomes = Object.values(await l7.order({ kind: "look" }));
      return outcomes.every(({ ended }) => ended !== undefined);
    });
    const ended = Object.values(await l7.order({ kind: "stop" })).map((flow) => flow.ended?.how);
    assert.deepEqual(ended, ["reset", "reset", "reset", "reset"]);
    await until("servers have heard it, too", async () => {
      const after = await Promise.all([l7.connections("near"), l7.connections("far")]);
      const resets = after.map(({ reset }, at) => reset - (before[at]?.reset ?? 0));
      return isDeepStrictEqual(resets, [2, 2]);
    });

    await l7.order({ kind: "start", flows: l7.flows({ kind: "keep", ...plain }) });
    const held = await l7.order({ kind: "look" });
    assertUnbroken(held);
    assert.deepEqual(wrongIn(held, expected), []);
    await l7.objects.delete(plainPolicy);
    await l7.objects.inKernels();
    await l7.order({ kind: "look" });
    await sleep(200);
    const free = await l7.order({ kind: "stop" });
    assertUnbroken(free);
    assert.ok(requestsIn(free) > 20);
    assert.deepEqual(wrongIn(free, { "/always": 200, "/never": 200 }), []);
  });
});

test("enable-l7-proxy=false: rules at L7 allow nothing, no proxy runs, other rules hold", async () => {
  await using lab = await Lab.up({
    nodes: 1,
    name: `t${process.pid}l7off`,
    set: { "enable-l7-proxy": "false" },
  });
  const namespace = "off";
  const pod = (name: string) => echoPod({ name, namespace, node: "node-1", labels: { app: name } });
  await lab.apply(manifests(namespaceManifest(namespace), pod("client"), pod("server")));
  await lab.wait(namespace);
  using objects = await LabObjects.of(lab);
  const server = (await lab.pods(namespace)).find(({ metadata }) => metadata.name === "server");
  const address = server?.status.podIPs?.[0]?.ip ?? "";
  const code = async (path: string) => {
    const command = ["curl", "-s", "-o", "/dev/null", "-m", "1", "-w", "%{http_code}"];
    return (await lab.exec(namespace, "client", [...command, `http://${address}:8080${path}`]))
      .stdout;
  };
  const policy = (rules: object | undefined) => ({
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: rules ? "l7" : "l4", namespace },
    spec: {
      endpointSelector: { matchLabels: { app: "server" } },
      ingress: [
        {
          fromEndpoints: [{ matchLabels: { app: "client" } }],
          toPorts: [{ ports: [{ port: "8080", protocol: "TCP" }], ...(rules ? { rules } : {}) }],
        },
      ],
    },
  });
  const l7Policy = policy({ http: [{ path: "/open" }] });
  assert.equal(await code("/open"), "200");
  await objects.create(l7Policy as KubeObject);
  await objects.inKernels();
  assert.equal(await code("/open"), "000");
  await objects.create(policy(undefined) as KubeObject);
  await objects.inKernels();
  assert.equal(await code("/closed"), "200", "a rule at L4 of the same port");
  await objects.delete(policy(undefined) as KubeObject);
  await objects.inKernels();
  assert.equal(await code("/open"), "000");
  const { proxy } = await lab.json<{ proxy?: { proxies?: object[] } }>(
    "--node",
    "node-1",
    "status",
  );
  assert.deepEqual(proxy?.proxies ?? [], []);
  assert.deepEqual(
    readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && isProxyOf(pid, lab.name)),
    [],
  );
});

/** Whether it is a proxy of the lab, or one of HAProxy's processes. */
function isProxyOf(pid: string, name: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    return words.includes(`/lab/${name}/`) && /haproxy|dns-proxy|kafka-proxy/.test(words);
  } catch {
    return false; // it ended meanwhile
  }
}

async function proxyPids(node: string): Promise<string[]> {
  return (await l7.proxies(node)).map(({ name, pid }) => `${name} ${pid}`);
}

async function codeOf(path: string): Promise<string> {
  const url = `http://${l7.address("far", 4)}:${ports.web}${path}`;
  const command = ["curl", "-s", "-o", "/dev/null", "-m", "3", "-w", "%{http_code}", url];
  return (await l7.asker.ask<{ output: string }>({ kind: "run", command })).output;
}

async function openConnections(): Promise<number> {
  const all = await Promise.all((["near", "far"] as const).map((name) => l7.connections(name)));
  return all.reduce((sum, { open }) => sum + open, 0);
}

function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** A second; where others have the CPUs, several wait for each, and so does a proxy that starts. */
function backWithinMs(): number {
  return (loadavg()[0] as number) > 3 * availableParallelism() ? 3_000 : 1_000;
}

/** Milliseconds from a moment until the first request that was sent after it, and after one was lost, was served. */
function servedAfter(outcome: Outcomes[string] | undefined, sinceUs: number): number {
  const after = (outcome?.requests ?? []).filter(([, sentUs]) => sentUs > sinceUs);
  const firstLost = after.findIndex(isLost);
  // Back between two requests: missed by none of them.
  if (firstLost < 0) return after.length > 0 ? 0 : Infinity;
  const served = after.slice(firstLost).find((request) => !isLost(request));
  return served === undefined ? Infinity : Math.round((served[2] - sinceUs) / 1000);
}

type Proxies = Readonly<
  Record<string, ReturnType<typeof processCensus> & { readonly listeners: number }>
>;

/** The same counts as before, memory that has not grown by much. Sockets go some time after their connections. */
async function assertProxyCensus(node: string, before: Proxies, t: TestContext): Promise<void> {
  const countsOf = (proxies: Proxies) =>
    Object.entries(proxies).map(([name, counts]) => ({ name, ...counts, residentKb: undefined }));
  let after = before;
  await until(`proxies of ${node} have what they had`, async () => {
    after = await proxyCensus(node);
    return isDeepStrictEqual(countsOf(after), countsOf(before));
  }).catch(() => assert.deepEqual(countsOf(after), countsOf(before), node));
  for (const [name, { residentKb }] of Object.entries(after)) {
    const was = before[name]?.residentKb ?? 0;
    t.diagnostic(`${node} ${name}: ${residentKb} kB, ${was} kB before`);
    assert.ok(residentKb - was < 12_000, `${node} ${name} grew from ${was} to ${residentKb} kB`);
  }
}

async function proxyCensus(node: string): Promise<Proxies> {
  const found = await l7.proxies(node);
  return Object.fromEntries(
    found.map(({ name, pid = 0, listeners }) => [
      name,
      { ...processCensus(pid), listeners: listeners.length },
    ]),
  );
}

async function everyCensus() {
  const of = async <T>(take: (node: string) => Promise<T>) =>
    Object.fromEntries(
      await Promise.all(nodes.map(async (node) => [node, await take(node)] as const)),
    ) as Record<(typeof nodes)[number], T>;
  return { agents: await of((node) => census(l7.lab, node)), proxies: await of(proxyCensus) };
}
