// What goes wrong around an agent: the API server hangs or dies, the operator dies, a node leaves, addresses run
// out, garbage comes in. Flows go on, errors say what to do, nothing is leaked, and everything catches up.
//
//   node-1: client, near, what CNI adds    node-2: far    pod CIDRs of 16 addresses
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { assertCensus, census } from "./census.ts";
import { CniRuntime, type CniAnswer } from "./cni-runtime.ts";
import { Flows } from "./flows.ts";
import { type PodFacts, podFacts } from "./frames.ts";
import {
  echoPod,
  killProcess,
  Lab,
  manifests,
  namespaceManifest,
  processPid,
  root,
  run,
  soak,
  until,
} from "./harness.ts";
import { exchange, idleConnections, rawRequests } from "./raw-requests.ts";

const namespace = "faults";
/** How long the API server hangs on top of what a refused ADD takes (10 s). */
const extraOutageSeconds = soak ? 50 : 0;
/** CNI's "try again later", and ours for a full pool. */
const tryAgainLater = 11;
const poolExhausted = 103;

type IpRow = { prefix: string; identity: number; owner: string };
type IdentityRow = { id: number; labels: string[] };
type NodeRow = { name: string; podCIDRs: string[] };
type Named = { metadata: { name: string } };

let lab: Lab;
let runtime: CniRuntime;
let near: PodFacts;
let far: PodFacts;

before(async () => {
  lab = await Lab.up({
    nodes: 2,
    name: `t${process.pid}faults`,
    set: { "cluster-pool-ipv4-mask-size": "28", "identity-change-grace-period": "500ms" },
  });
  await lab.apply(
    manifests(
      namespaceManifest(namespace),
      echoPod({ name: "client", namespace, node: "node-1" }),
      echoPod({ name: "near", namespace, node: "node-1" }),
      farPod({}),
    ),
  );
  await lab.wait(namespace);
  await lab.apply(unscheduledPod("stranger"));
  near = await podFacts(lab, "node-1", "near");
  far = await podFacts(lab, "node-2", "far");
  runtime = new CniRuntime(lab, "node-1");
});
after(async () => {
  await runtime?.[Symbol.asyncDispose]();
  await lab?.[Symbol.asyncDispose]();
});

test("while the API server hangs, flows go on, an ADD that needs it waits or says so, and all catch up", async () => {
  const before = await census(lab, "node-1");
  for (const id of ["known", "impatient", "patient"]) await runtime.makeNetns(id);
  await using flows = await startFlows([far.ipv4, far.ipv6]);
  const apiServer = await processPid(lab, "apiserver");
  process.kill(apiServer, "SIGSTOP");
  try {
    // What needs nothing from the API server is served as ever.
    await runtime.add("known");
    await runtime.del("known");
    assertTryAgain(await addStranger("impatient"));
    await sleep(extraOutageSeconds * 1_000);
    const patient = addStranger("patient");
    await sleep(500);
    process.kill(apiServer, "SIGCONT");
    const added = await patient;
    assert.equal(added.status, 0, added.text);
  } finally {
    process.kill(apiServer, "SIGCONT");
  }
  await flows.assertWhole();
  await runtime.del("patient");
  for (const id of ["known", "impatient", "patient"]) await runtime.removeNetns(id);
  await assertFollowed({ outage: "hang" });
  await assertCensus(lab, "node-1", before);
});

test("when the API server is killed, flows go on, and nothing it acknowledged is lost", async (t) => {
  const before = await census(lab, "node-1");
  await runtime.makeNetns("meanwhile");
  await using flows = await startFlows([far.ipv4, far.ipv6]);
  const writing = lab.tsilium(["lab", "apply", "--name", lab.name, "-f", "-"], {
    input: manifests(...Array.from({ length: 2_000 }, (_, at) => configMap(`written-${at}`))),
  });
  await until("objects are being written", async () => {
    const written = await lab.lab("get", "configmap", "written-20", "-n", namespace);
    return written.status === 0;
  });
  let meanwhile: Promise<CniAnswer> | undefined;
  await killProcess(lab, "apiserver", {
    meanwhile: async () => void (meanwhile = addStranger("meanwhile")),
    returned: async () => (await lab.lab("get", "namespaces")).status === 0,
  });
  const added = await meanwhile;
  if (added?.status !== 0) assertTryAgain(added);
  await flows.assertWhole();
  await runtime.del("meanwhile");
  await runtime.removeNetns("meanwhile");

  const { stdout } = await writing;
  const acknowledged = [...stdout.matchAll(/^configmap\/(\S+) created$/gm)].map(([, name]) => name);
  t.diagnostic(`${acknowledged.length} of 2000 objects were acknowledged`);
  assert.ok(acknowledged.length > 0, "something was written before");
  const { items } = await lab.json<{ items: Named[] }>("lab", "get", "configmaps", "-n", namespace);
  const kept = new Set(items.map(({ metadata }) => metadata.name));
  assert.deepEqual(
    acknowledged.filter((name) => !kept.has(name as string)),
    [],
  );
  await assertFollowed({ outage: "kill" });
  await assertCensus(lab, "node-1", before);
});

test("garbage on the agent's socket is answered with what is wrong, and the agent goes on", async (t) => {
  const before = await census(lab, "node-1");
  for (const [sentence, bytes, status] of rawRequests) {
    await t.test(`${sentence} is answered with ${status}`, async () => {
      const answer = await exchange(agentSocket(), bytes);
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `));
      const body = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")));
      assert.deepEqual(Object.keys(body), ["code", "message"]);
    });
  }
  assert.equal((await lab.tsilium(["--node", "node-1", "status"])).status, 0);
  await assertCensus(lab, "node-1", before);
});

test("two hundred connections that say nothing, or half of something, keep nobody out", async () => {
  const before = await census(lab, "node-1");
  const half = "POST /v1/cni HTTP/1.1\r\nHost: agent\r\nContent-Length: 500\r\n\r\nCNI_COMM";
  {
    using _silent = await idleConnections(agentSocket(), 100, "");
    using _half = await idleConnections(agentSocket(), 100, half);
    await runtime.makeNetns("crowded");
    await runtime.add("crowded");
    await runtime.del("crowded");
    await runtime.removeNetns("crowded");
  }
  await assertCensus(lab, "node-1", before);
});

test("a full pod CIDR refuses an ADD, names itself, and serves again after a DEL", async () => {
  const before = await census(lab, "node-1");
  const added: string[] = [];
  let refused: CniAnswer | undefined;
  for (let at = 0; !refused && at < 16; at++) {
    await runtime.makeNetns(`full-${at}`);
    const answer = await runtime.command("ADD", `full-${at}`);
    if (answer.status === 0) added.push(`full-${at}`);
    else refused = answer;
  }
  assert.equal(refused?.json?.["code"], poolExhausted, `${refused?.text}`);
  const [podCidr] = await podCidrsOf("node-1");
  assert.ok(refused?.text.includes(`${podCidr}`), `${refused?.text} names ${podCidr}`);

  const refusedId = `full-${added.length}`;
  await runtime.del(added[0] as string);
  await runtime.add(refusedId);
  for (const id of [...added, refusedId]) {
    await runtime.del(id);
    await runtime.removeNetns(id);
  }
  await assertCensus(lab, "node-1", before);
});

test("a pod with other labels, or in a namespace with other labels, has another identity everywhere", async () => {
  await assertFollowed({ role: "database" });
  const before = await identityOf(far.ipv4);
  await lab.apply(
    JSON.stringify({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: namespace, labels: { team: "blue" } },
    }),
  );
  await untilInKernels();
  const { id, labels } = await identityOf(far.ipv4);
  assert.notEqual(id, before.id);
  assert.ok(labels.includes("k8s:io.cilium.k8s.namespace.labels.team=blue"), `${labels}`);
  assert.deepEqual(labels.filter((label) => !label.includes("team=")).toSorted(), before.labels);
});

test("an unknown configuration key is refused with a suggestion, and nothing is left behind", async () => {
  const name = `t${process.pid}typo`;
  const up = (setting: string) =>
    run(join(root, "tsilium"), ["lab", "up", "--name", name, "--set", setting, "--wait"]);
  for (const [setting, words] of [
    ["routing-mod=native", /unknown key "routing-mod", did you mean "routing-mode"\?/],
    ["nonsense=1", /unknown key "nonsense"\n.*docs\/configuration\.md/],
    ["routing-mode=sideways", /routing-mode.*sideways/],
  ] as const) {
    const refused = await up(setting);
    assert.notEqual(refused.status, 0);
    assert.match(refused.stderr, words);
  }
  assert.equal(existsSync(`/var/run/tsilium/lab/${name}`), false);
  const namespaces = await run("ip", ["netns", "list"]);
  assert.doesNotMatch(namespaces.stdout, new RegExp(name));
});

test("a node that leaves while the operator is dead is forgotten once another operator is there", async () => {
  await using flows = await startFlows([near.ipv4, near.ipv6]);
  const [far4, far6] = await podCidrsOf("node-2");
  await killProcess(lab, "operator", {
    meanwhile: async () => {
      const deleted = await lab.lab("delete", "node", "node-2");
      assert.equal(deleted.status, 0, deleted.stderr);
    },
    returned: async () => (await namesOf("ciliumnodes")).every((name) => name !== "node-2"),
  });
  assert.ok(!(await namesOf("ciliumendpoints")).includes("far"), "its CiliumEndpoints are gone");
  const known = async () => ({
    claims: (await ipRows("node-1")).filter(({ owner }) => /node-2|\/far$/.test(owner)),
    inKernel: (await lab.json<IpRow[]>("--node", "node-1", "bpf", "ipcache", "list"))
      .map(({ prefix }) => prefix)
      .filter((prefix) => prefix === far4 || prefix === far6 || prefix.startsWith(`${far.ipv4}/`)),
    routes: (await routesOf("node-1")).filter(
      (line) => line.includes(`${far4}`) || line.includes(`${far6}`),
    ),
  });
  const forgotten = { claims: [], inKernel: [], routes: [] };
  await until("node-1 forgot node-2", async () =>
    isDeepStrictEqual(await known(), forgotten),
  ).catch(() => undefined);
  assert.deepEqual(await known(), forgotten);
  await flows.assertWhole();
});

function startFlows(targets: readonly string[]): Promise<Flows> {
  return Flows.start(lab, { namespace, from: "client", targets });
}

function agentSocket(): string {
  return `/var/run/tsilium/lab/${lab.name}/node-1/tsilium.sock`;
}

/** The pod that gets other labels. */
function farPod(labels: Record<string, string>): string {
  return echoPod({ name: "far", namespace, node: "node-2", labels });
}

/** A pod that no node has, so that an agent that is to add it must ask the API server. */
function unscheduledPod(name: string): string {
  const pod = JSON.parse(echoPod({ name, namespace, node: "", labels: { app: name } }));
  const { nodeName: _, ...spec } = pod.spec;
  return JSON.stringify({ ...pod, spec: { ...spec, schedulerName: "nobody" } });
}

function configMap(name: string): string {
  return JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace } });
}

/** ADD for the pod that only the API server knows. */
function addStranger(id: string): Promise<CniAnswer> {
  const words = `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=stranger`;
  return runtime.command("ADD", id, { environment: { CNI_ARGS: words } });
}

function assertTryAgain(answer: CniAnswer | undefined): void {
  assert.equal(answer?.json?.["code"], tryAgainLater, `${answer?.text}`);
  assert.match(`${answer?.text}`, /API server/);
}

/** Gives far other labels; fails unless every node knows its new identity by the time `lab wait` returns. */
async function assertFollowed(labels: Record<string, string>): Promise<void> {
  const before = await identityOf(far.ipv4);
  await lab.apply(farPod(labels));
  await untilInKernels();
  const after = await identityOf(far.ipv4);
  assert.notEqual(after.id, before.id);
  for (const [key, value] of Object.entries(labels))
    assert.ok(after.labels.includes(`k8s:${key}=${value}`), `${after.labels}`);
}

async function untilInKernels(): Promise<void> {
  const waited = await lab.lab("wait", "--for", "policy");
  assert.equal(waited.status, 0, waited.stderr);
}

/** What node-1 knows of an address of node-2; fails unless both nodes, and their kernels, say the same. */
async function identityOf(address: string): Promise<IdentityRow> {
  const prefix = `${address}/32`;
  const views = await Promise.all(
    ["node-1", "node-2"].flatMap((node) => [
      ipRows(node),
      lab.json<IpRow[]>("--node", node, "bpf", "ipcache", "list"),
    ]),
  );
  const found = views.map((rows) => rows.find((row) => row.prefix === prefix)?.identity);
  assert.equal(new Set(found).size, 1, `${address} has identities ${found}`);
  const identities = await lab.json<IdentityRow[]>("--node", "node-1", "identity", "list");
  const identity = identities.find(({ id }) => id === found[0]);
  assert.ok(identity, `node-1 knows no identity ${found[0]}`);
  return { id: identity.id, labels: identity.labels.toSorted() };
}

function ipRows(node: string): Promise<IpRow[]> {
  return lab.json<IpRow[]>("--node", node, "ip", "list");
}

async function podCidrsOf(node: string): Promise<string[]> {
  const rows = await lab.json<NodeRow[]>("--node", "node-1", "node", "list");
  return rows.find(({ name }) => name === node)?.podCIDRs ?? [];
}

async function namesOf(kind: string): Promise<string[]> {
  const { items } = await lab.json<{ items: Named[] }>("lab", "get", kind, "-A");
  return items.map(({ metadata }) => metadata.name);
}

async function routesOf(node: string): Promise<string[]> {
  const shown = await Promise.all(
    ["-4", "-6"].map((family) => lab.nodeExec(node, ["ip", family, "route"])),
  );
  return shown.flatMap(({ stdout }) => stdout.split("\n"));
}
