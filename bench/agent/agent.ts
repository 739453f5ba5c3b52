// What one agent takes for a cluster of 30,000 pods: memory for each that it must know, and the time until it is ready again.
import { existsSync } from "node:fs";
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { type CiliumEndpoint, type CiliumNode, resources } from "@tsilium/kube";
import { createAll } from "../lab/create.ts";
import { BenchLab, type LabNode } from "../lab/lab.ts";
import { appOf, identityObject, namespaceObjects } from "../policy/workload/cluster.ts";
import type { Section } from "../report.ts";

export type AgentOptions = {
  /** Of other nodes. */
  readonly pods: number;
  readonly identities: number;
  /** From the last write until memory is looked at. */
  readonly settleSeconds: number;
};

const remoteNodes = 100;
const restarts = 3;
const patienceMs = 120_000;

export async function benchAgent(options: AgentOptions): Promise<Section[]> {
  // Nobody takes away what has no Pod or Node behind it.
  const settings = { "cilium-endpoint-gc-interval": "0", "identity-gc-interval": "0" };
  await using lab = await BenchLab.up({ nodes: 1, settings });
  const node = lab.nodes[0] as LabNode;
  const { pods, identities, settleSeconds } = options;
  await createAll(lab.client, resources.namespaces, namespaceObjects());
  await createAll(
    lab.client,
    resources.ciliumNodes,
    Array.from({ length: remoteNodes }, remoteNode),
  );
  await knows(node, 0);
  await sleep(settleSeconds * 1000);
  const bareBytes = node.agentBytes();
  const bareReady = await restartedIn(node, 0);

  const apps = Array.from({ length: identities }, (_, index) => appOf(index));
  await createAll(lab.client, resources.ciliumIdentities, apps.map(identityObject));
  await sleep(settleSeconds * 1000);
  const identityBytes = node.agentBytes();
  const endpoints = Array.from({ length: pods }, (_, number) => remotePod(number, identities));
  const begun = performance.now();
  await createAll(lab.client, resources.ciliumEndpoints, endpoints);
  const createdMs = performance.now() - begun;
  await knows(node, pods);
  const behindMs = performance.now() - begun - createdMs;
  await sleep(settleSeconds * 1000);
  const grownBytes = node.agentBytes();
  const ready: number[] = [];
  for (let restart = 0; restart < restarts; restart++) ready.push(await restartedIn(node, pods));
  await sleep(settleSeconds * 1000);
  const loadedBytes = node.agentBytes();

  const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
  const each = (bytes: number) => ((bytes - identityBytes) / 1024 / pods).toFixed(1);
  const seconds = (ms: number) => (ms / 1000).toFixed(2);
  return [
    {
      title: `an agent that knows ${pods.toLocaleString("en")} pods of other nodes and ${identities.toLocaleString("en")} identities`,
      note: `A lab of one node; CiliumNodes, CiliumIdentities and CiliumEndpoints of ${remoteNodes} others. VmRSS of the agent's processes, ${settleSeconds} s after the last change. Ready: from kill -9 until the lab has started it again, it says ok, and the kernel has every address; the longest of ${restarts}. (Aims: 10 KB a pod, 5 s.)`,
      columns: ["", ""],
      rows: [
        ["VmRSS MB, 100 nodes", megabytes(bareBytes)],
        ["VmRSS MB, with the identities", megabytes(identityBytes)],
        ["VmRSS MB, with the pods, as they came", megabytes(grownBytes)],
        ["VmRSS MB, with the pods, after a restart", megabytes(loadedBytes)],
        ["KB a pod, as they came", each(grownBytes)],
        ["KB a pod, after a restart", each(loadedBytes)],
        ["pods created a second", Math.round((pods * 1000) / createdMs)],
        ["from the last one's creation to the kernel, ms", Math.max(0, behindMs).toFixed(0)],
        ["ready again without them, s", seconds(bareReady)],
        ["ready again with them, s", seconds(Math.max(...ready))],
      ],
    },
  ];
}

function remoteNode(_: unknown, number: number): CiliumNode {
  return {
    metadata: { name: `far-${number}`, annotations: { "cilium.io/do-not-gc": "true" } },
    spec: {
      addresses: [
        { type: "InternalIP", ip: `172.18.1.${number + 1}` },
        { type: "InternalIP", ip: `fc00:18::1:${(number + 1).toString(16)}` },
      ],
      ipam: { podCIDRs: [`10.128.${number}.0/24`, `fd00:10:128:${number.toString(16)}::/64`] },
    },
  };
}

/** Pods are spread over nodes and identities. */
function remotePod(number: number, identities: number): CiliumEndpoint {
  const app = appOf(number % identities);
  const node = number % remoteNodes;
  const { "security-labels": labels } = identityObject(app);
  const inCluster = `${Math.floor(number / 65_536) + 129}.${(number >> 8) & 255}.${number & 255}`;
  return {
    metadata: { name: `${app.name}-${number}`, namespace: app.namespace },
    status: {
      id: (number % 60_000) + 1,
      identity: {
        id: app.identity,
        labels: Object.entries(labels ?? {}).map(([key, value]) => `${key}=${value}`),
      },
      networking: {
        addressing: [{ ipv4: `10.${inCluster}`, ipv6: `fd00:10:129::${number.toString(16)}` }],
        node: `172.18.1.${node + 1}`,
      },
      state: "ready",
    },
  };
}

/** Kills the agent; how long it takes, ms, until another one knows everything. */
async function restartedIn(node: LabNode, pods: number): Promise<number> {
  const pid = node.agentPid();
  const begun = performance.now();
  process.kill(pid, "SIGKILL");
  await gone(pid);
  await knows(node, pods);
  return performance.now() - begun;
}

/** Its socket may answer for a moment yet. */
async function gone(pid: number): Promise<void> {
  while (existsSync(`/proc/${pid}`)) await sleep(5);
}

/** Until the agent is well and has the addresses of so many pods of other nodes. @throws Error when it does not */
async function knows(node: LabNode, pods: number): Promise<void> {
  const until = Date.now() + patienceMs;
  for (;;) {
    const known = await knownPods(node).catch(() => -1);
    if (known >= pods) return;
    if (Date.now() > until) throw new Error(`${node.name} knows ${known} of ${pods} pods`);
    await sleep(50);
  }
}

type Health = { readonly state: string };
type KnownAddress = { readonly prefix: string };

async function knownPods(node: LabNode): Promise<number> {
  const { state } = await ask<Health>(node, "/v1/healthz");
  if (state !== "ok") return -1;
  const addresses = await ask<readonly KnownAddress[]>(node, "/v1/ip");
  return addresses.filter(({ prefix }) => /^10\.(?:129|130)\..*\/32$/.test(prefix)).length;
}

async function ask<Answer>({ socket }: LabNode, path: string): Promise<Answer> {
  const body = await new Promise<string>((resolve, reject) => {
    const asking = request({ socketPath: socket, path, timeout: 10_000 }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.on("end", () => resolve(Buffer.concat(chunks).toString()));
      answer.on("error", reject);
    });
    asking.on("error", reject);
    asking.end();
  });
  return JSON.parse(body) as Answer;
}
