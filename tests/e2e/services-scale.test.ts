// Many services, many endpoints, and endpoints that never rest: right answers, nothing left behind, memory that stays.
//
//   node-1: near, client-1      node-2: far, client-2
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { EndpointSlice, Service } from "@tsilium/kube";
import { processPid, soak } from "./harness.ts";
import { type Outcome, type Request, spread, wordOf } from "./services/requests.ts";
import { clusterIp, nodeAddress, nodePort, ServiceLab } from "./services/service-lab.ts";
import { echoPort, endpointSlice, manifest, service } from "./services/service-objects.ts";
import { assertShared, namespace, shopObjects, web } from "./services/shop.ts";

const nodes = ["node-1", "node-2"] as const;
const serviceCount = soak ? 5_000 : 1_000;
/** Each has two; there are 2,768. */
const nodePortServices = 1_000;
const endpointCount = 10_000;
/** As many as a slice may hold. */
const sliceSize = 1_000;
const changesPerSecond = 100;
const flapSeconds = soak ? 60 : 5;

let cluster: ServiceLab;
before(async () => {
  cluster = await ServiceLab.up({ purpose: "scale", namespaces: [namespace] });
  await cluster.apply(...shopObjects());
});
after(() => cluster?.[Symbol.asyncDispose]());

const tables = () => Promise.all(nodes.map((node) => cluster.kernelTables(node)));

test(`${serviceCount} services in one go are all served, and leave nothing`, async () => {
  const before = await tables();
  const all = Array.from({ length: serviceCount }, (_, at) =>
    service(`many-${at}`, namespace, {
      selector: web,
      type: at < nodePortServices ? "NodePort" : "ClusterIP",
    }),
  );
  const begunMs = performance.now();
  await cluster.lab.apply(manifest(...all));
  await untilInKernels();
  const tookMs = performance.now() - begunMs;
  console.log(`${serviceCount} services applied and in two kernels: ${tookMs.toFixed(0)} ms`);
  const facts = Object.values(await cluster.services(namespace));
  assert.equal(facts.length, serviceCount);
  const requests = facts.map((each): Request => ({
    protocol: "tcp",
    address: clusterIp(each, 4),
    port: 80,
  }));
  for (let at = 0; at < requests.length; at += 1000)
    await assertShared(cluster.inPod(namespace, "client-1"), requests.slice(at, at + 1000), [
      "near",
      "far",
    ]);
  const outside = facts
    .filter(({ nodePorts }) => nodePorts["udp"])
    .map((each): Request => ({
      protocol: "udp",
      address: nodeAddress("node-2", 6),
      port: nodePort(each, "udp"),
    }));
  await assertShared(cluster.inWorld(), outside, ["near", "far"]);
  const deleted = await cluster.lab.tsilium(["lab", "delete", "-f", "-"], {
    input: manifest(...all),
  });
  assert.equal(deleted.status, 0, deleted.stderr);
  await untilInKernels();
  assert.deepEqual(await tables(), before);
});

test(`${endpointCount} endpoints of one service are all in the kernel, and go again`, async () => {
  const one = service("wide", namespace, { selector: {} });
  const key = { name: "wide", namespace };
  const fake = Array.from({ length: endpointCount / sliceSize }, (_, slice) =>
    sliceOf(
      key,
      `wide-${slice}`,
      Array.from({ length: sliceSize }, (_each, at) => {
        const number = slice * sliceSize + at;
        return `10.250.${number >> 8}.${number & 255}`;
      }),
    ),
  );
  await cluster.lab.apply(manifest(one, ...fake));
  await untilInKernels();
  for (const node of nodes) assert.equal(await backendsOf(node, "wide"), endpointCount);
  const real = sliceOf(key, "wide-real", [
    await cluster.podAddress(namespace, "near", 4),
    await cluster.podAddress(namespace, "far", 4),
  ]);
  await cluster.lab.apply(manifest(real));
  for (const slice of fake) await cluster.objects.delete(slice);
  await untilInKernels();
  for (const node of nodes) assert.equal(await backendsOf(node, "wide"), 2);
  const address = clusterIp(await cluster.service(namespace, "wide"), 4);
  const requests = Array.from({ length: 100 }, (): Request => ({
    protocol: "tcp",
    address,
    port: 80,
  }));
  await assertShared(cluster.inPod(namespace, "client-1"), requests, ["near", "far"]);
  await cluster.delete(real, one);
});

test(`endpoints that change ${changesPerSecond} times a second for ${flapSeconds} s: no wrong answer, flat memory`, async () => {
  const flapping: Service = service("flap", namespace, { selector: {}, type: "NodePort" });
  const key = { name: "flap", namespace };
  const near = await cluster.podAddress(namespace, "near", 4);
  const far = await cluster.podAddress(namespace, "far", 4);
  const states = [[near], [near, far], [far], [far, near]];
  const slice = (at: number) => sliceOf(key, "flap-4", states[at % states.length] ?? []);
  await cluster.apply(flapping, slice(0));
  const facts = await cluster.service(namespace, "flap");
  const inside: Request = { protocol: "tcp", address: clusterIp(facts, 4), port: 80 };
  const outside: Request = {
    protocol: "udp",
    address: nodeAddress("node-1", 4),
    port: nodePort(facts, "udp"),
  };

  const memory = async () => Promise.all(nodes.map((node) => residentMb(cluster, node)));
  const before = await memory();
  const stop = new AbortController();
  const asked = Promise.all([
    askUntil(stop.signal, (count) => cluster.inPod(namespace, "client-1").repeat(inside, count)),
    askUntil(stop.signal, (count) => cluster.inWorld().repeat(outside, count)),
  ]);
  let changes = 0;
  const begunMs = performance.now();
  try {
    for (; performance.now() - begunMs < flapSeconds * 1000; changes++) {
      await sleep(Math.max(0, begunMs + (changes * 1000) / changesPerSecond - performance.now()));
      const { endpoints } = slice(changes);
      await cluster.objects.patch(slice(0), { endpoints });
    }
  } finally {
    stop.abort();
  }
  const outcomes = (await asked).flat();
  const after = await memory();
  console.log(
    `${changes} changes, ${outcomes.length} requests; agents' VmRSS: ${before.join(", ")} MB before, ${after.join(", ")} MB after`,
  );
  // In the short form others are at work beside it.
  const share = soak ? 0.8 : 0.25;
  assert.ok(changes > share * flapSeconds * changesPerSecond, `only ${changes} changes`);
  assert.deepEqual(summary(outcomes), { far: "some", near: "some" });

  // The last word counts.
  await cluster.objects.patch(slice(0), { endpoints: slice(2).endpoints });
  await cluster.inKernels();
  assert.deepEqual(spread(await cluster.inPod(namespace, "client-1").repeat(inside, 24)), {
    far: 24,
  });
  assert.deepEqual(spread(await cluster.inWorld().repeat(outside, 24)), { far: 24 });
  await cluster.delete(slice(0), flapping);
  if (soak)
    for (const [at, mb] of after.entries())
      assert.ok(mb < (before[at] ?? 0) * 1.5 + 40, `${nodes[at]}: ${before[at]} -> ${mb} MB`);
});

function sliceOf(
  key: { readonly name: string; readonly namespace: string },
  name: string,
  addresses: readonly string[],
): EndpointSlice {
  return endpointSlice(key, {
    name,
    addressType: "IPv4",
    endpoints: addresses.map((address) => ({
      addresses: [address],
      conditions: { ready: true },
    })),
    ports: (["TCP", "UDP"] as const).map((protocol) => ({
      name: protocol.toLowerCase(),
      port: echoPort,
      protocol,
    })),
  });
}

async function askUntil(
  signal: AbortSignal,
  ask: (count: number) => Promise<Outcome[]>,
): Promise<Outcome[]> {
  const all: Outcome[] = [];
  while (!signal.aborted) {
    all.push(...(await ask(20)));
    await sleep(20);
  }
  return all;
}

function summary(outcomes: readonly Outcome[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const outcome of outcomes)
    found[wordOf(outcome)] = outcome.kind === "ok" ? "some" : outcome.detail;
  return found;
}

/** How many backends a service's cluster IP has for clients of the cluster, TCP, in a node's kernel. */
async function backendsOf(node: string, name: string): Promise<number> {
  const address = clusterIp(await cluster.service(namespace, name), 4);
  const frontends = await cluster.lab.json<
    { address: string; internal?: { backends: unknown[] } }[]
  >("--node", node, "bpf", "lb", "list", "--frontends");
  return (
    frontends.find((row) => row.address === `${address}:80/TCP`)?.internal?.backends.length ?? 0
  );
}

/** A wait with more patience than for one object. */
async function untilInKernels(): Promise<void> {
  const { status, stderr } = await cluster.lab.lab("wait", "--for", "policy", "--timeout", "90s");
  assert.equal(status, 0, stderr);
}

async function residentMb(of: ServiceLab, node: string): Promise<number> {
  const status = readFileSync(`/proc/${await processPid(of.lab, `agent/${node}`)}/status`, "utf8");
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024);
}
