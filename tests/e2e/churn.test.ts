// Pods come and go by the hundred: nothing is left behind, and the agent's memory stays flat.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { agentPid, assertCensus, census } from "./census.ts";
import { CniRuntime } from "./cni-runtime.ts";
import { echoPod, Lab, manifests, namespaceManifest, root, soak } from "./harness.ts";

test(`${soak ? 1000 : 200} ADD/DEL cycles leave as many links, maps, pins, addresses and descriptors as before`, async (t) => {
  await using lab = await Lab.up({ nodes: 1, name: `t${process.pid}churn` });
  await using runtime = new CniRuntime(lab, "node-1");
  const pid = await agentPid(lab, "node-1");
  // The first few make what is made once: a worker thread, a grown heap, a compiled validator.
  await cycles(runtime, 20);
  const before = await census(lab, "node-1");
  const memoryBefore = residentKiB(pid);
  await cycles(runtime, soak ? 1000 : 200);
  await assertCensus(lab, "node-1", before);
  if (soak) await sleep(60_000);
  t.diagnostic(`agent VmRSS: ${memoryBefore} KiB before, ${residentKiB(pid)} KiB after`);
});

test("two hundred pods run on one node, and reach each other", async (t) => {
  await using lab = await Lab.up({ nodes: 1, name: `t${process.pid}dense` });
  const names = Array.from({ length: 200 }, (_, at) => `pod-${at}`);
  const pods = names.map((name) => echoPod({ name, namespace: "dense", node: "node-1" }));
  const begun = Date.now();
  await lab.apply(manifests(namespaceManifest("dense"), ...pods));
  await lab.wait("dense", "180s");
  t.diagnostic(`200 pods ready after ${Date.now() - begun} ms`);
  const running = await lab.pods("dense");
  const addresses = running.flatMap((pod) => (pod.status.podIPs ?? []).map(({ ip }) => ip));
  assert.equal(new Set(addresses).size, 400);
  const targets = addresses.map((address) => `tcp ${address} 8080 64`).join("\n");
  const probe = await lab.exec("dense", "pod-7", [`${root}/dist/bin/probe`], {
    input: `${targets}\n`,
  });
  assert.deepEqual(
    probe.stdout.split("\n").filter((line) => line && !line.startsWith("ok ")),
    [],
  );
  t.diagnostic(`agent VmRSS with 200 pods: ${residentKiB(await agentPid(lab, "node-1"))} KiB`);
});

async function cycles(runtime: CniRuntime, count: number): Promise<void> {
  for (let cycle = 0; cycle < count; cycle++) {
    await runtime.makeNetns("churn");
    await runtime.add("churn");
    await runtime.del("churn");
    await runtime.removeNetns("churn");
  }
}

function residentKiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}
