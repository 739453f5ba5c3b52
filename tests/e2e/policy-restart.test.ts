// Agents that are killed and come back with 1,000 policies to learn: meanwhile the kernel goes on by what it holds. What is
// allowed loses no packet, neither of connections that were there nor of new ones, and nothing that is forbidden arrives.
//
//   node-1: client, stranger, near    node-2: far
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { KubeObject } from "@tsilium/kube";
import { buildOlderObjects } from "../../packages/datapath/src/testing/older-objects.ts";
import {
  echoPod,
  isAgentWell,
  killProcess,
  Lab,
  manifests,
  namespaceManifest,
  root,
} from "./harness.ts";
import { Background } from "./background.ts";
import { podFacts } from "./frames.ts";
import { LabObjects } from "./lab-objects.ts";
import { Knocks } from "./knocks.ts";
import { arrivalsOf, type PulseFlow, PulseSet } from "./pulses.ts";

const namespace = "survive";
const policyCount = 1_000;
const nodes = ["node-1", "node-2"] as const;
const pulse = join(root, "dist/bin/pulse");
/** What near and far serve to the client: pulses of both protocols, and new flows. */
const ports = { udp: 7001, tcp: 7002, knocks: 7003, closed: 7004 };

let folder: string;
let builtObjects: string;
let settings: string;
let lab: Lab;
let objects: LabObjects;
let addresses: Readonly<Record<"client" | "near" | "far", { ipv4: string; ipv6: string }>>;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "tsit-survive-"));
  builtObjects = buildOlderObjects(folder);
  settings = join(folder, "config");
  mkdirSync(settings);
  lab = await Lab.up({
    nodes: nodes.length,
    name: `t${process.pid}survive`,
    set: { "bpf-objects": builtObjects, "config-dir": settings },
  });
  objects = await LabObjects.of(lab);
  const pod = (name: string, node: string, role: string) =>
    echoPod({ name, namespace, node, labels: { role } });
  await lab.apply(
    manifests(
      namespaceManifest(namespace),
      pod("client", "node-1", "client"),
      pod("stranger", "node-1", "stranger"),
      pod("near", "node-1", "server"),
      pod("far", "node-2", "server"),
    ),
  );
  await lab.wait(namespace);
  for (let at = 0; at < policyCount; at++) await objects.create(policyNumber(at));
  const toServers = { to: [{ podSelector: { matchLabels: { role: "server" } } }] };
  await objects.create(egressPolicy("stranger", [toServers]));
  await objects.inKernels();
  addresses = {
    client: await podFacts(lab, "node-1", "client"),
    near: await podFacts(lab, "node-1", "near"),
    far: await podFacts(lab, "node-2", "far"),
  };
});
after(async () => {
  objects?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

test(`CVE-2023-27595: both agents are killed and come back to ${policyCount} policies`, () =>
  assertUnchanged(() => Promise.all(nodes.map((node) => restartAgent(node, "SIGKILL")))));

test("CVE-2023-27595: both agents come back with other settings, by which every policy is another one", () =>
  assertUnchanged(async () => {
    writeFileSync(join(settings, "policy-deny-response"), "rst\n");
    writeFileSync(join(settings, "enable-ipv6-masquerade"), "false\n");
    await Promise.all(nodes.map((node) => restartAgent(node, "SIGKILL")));
  }));

test("CVE-2023-27595: both agents come back with other programs, that lay their tables out differently", () =>
  assertUnchanged(async () => {
    cpSync(join(root, "dist/bpf"), builtObjects, { recursive: true });
    await Promise.all(nodes.map((node) => restartAgent(node, "SIGTERM")));
  }));

test("CVE-2024-42488: a pod that is made while its agent is away is held to policy from its first packet on", async () => {
  const stranger = (await podFacts(lab, "node-1", "stranger")).ipv4;
  const port = String(ports.knocks);
  const policy = egressPolicy("caged", []);
  await objects.create(policy);
  await using sink = Background.exec(lab, {
    namespace,
    pod: "stranger",
    command: [pulse, "sink", port],
  });
  await sink.printed(/^ready$/m);
  await killProcess(lab, "agent/node-2", {
    meanwhile: () => objects.create(knockingPod([pulse, "-i", "500", "knock", stranger, port])),
    returned: () => isAgentWell(lab, "node-2"),
  });
  await lab.wait(namespace);
  await sleep(300);
  const freedNs = process.hrtime.bigint();
  await objects.delete(policy);
  await sink.printed(/^connected$/m);
  const [first] = arrivalsOf("stranger", await sink.end()).runs;
  assert.ok(first && first.firstNs > freedNs, "it was heard before its policy went");
});

test("and policy goes on to change", async () => {
  await using flows = await PulseSet.start(lab, allowedFlows());
  await objects.delete(policyNumber(0));
  await objects.inKernels();
  const deniedNs = process.hrtime.bigint();
  await sleep(200);
  for (const { runs, who } of (await flows.end()).flat())
    assert.ok((runs.at(-1)?.lastNs ?? 0n) < deniedNs, who);
});

/** While something happens, what is allowed loses no packet and nothing else arrives. */
async function assertUnchanged(happens: () => Promise<unknown>): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const flows = stack.use(await PulseSet.start(lab, allowedFlows()));
  const knocks = async (from: string, to: keyof typeof addresses, port: number) => {
    const common = { namespace, from, to, port, intervalUs: 500 };
    return stack.use(await Knocks.start(lab, { ...common, address: addresses[to].ipv4 }));
  };
  const allowed = await knocks("client", "far", ports.knocks);
  const forbidden = [
    await knocks("client", "near", ports.closed),
    await knocks("stranger", "near", ports.knocks),
    await knocks("stranger", "far", ports.closed),
    await knocks("stranger", "client", ports.knocks),
  ];
  await sleep(300);
  await happens();
  await sleep(300);
  for (const { who, arrived, lost } of [...(await flows.end()).flat(), await allowed.end()])
    assert.deepEqual({ who, lost, some: arrived > 1000 }, { who, lost: 0, some: true });
  for (const each of forbidden) {
    const { who, arrived, sent } = await each.end();
    assert.deepEqual({ who, arrived, some: sent > 1000 }, { who, arrived: 0, some: true });
  }
}

function allowedFlows(): PulseFlow[] {
  const pace = { clientIntervalUs: 200, serverIntervalUs: 200 };
  const { near, far } = addresses;
  const common = { namespace, client: "client", ...pace };
  return [
    { ...common, protocol: "udp", server: "near", address: near.ipv6, port: ports.udp },
    { ...common, protocol: "tcp", server: "far", address: far.ipv4, port: ports.tcp },
  ];
}

/** The first is the one that counts; of the others half are rules for the same pods, half are for pods that are not there. */
function policyNumber(at: number): KubeObject {
  const served = [{ port: String(ports.udp), endPort: ports.knocks, protocol: "ANY" }];
  const selector = at % 2 === 0 ? { role: "server" } : { app: `app-${at}` };
  const from = at === 0 ? { role: "client" } : { app: `app-${at}` };
  const spec = {
    endpointSelector: { matchLabels: selector },
    ingress: [
      {
        fromEndpoints: [{ matchLabels: from }],
        toPorts: [{ ports: at === 0 ? served : [{ port: String(8000 + at), protocol: "TCP" }] }],
      },
    ],
  };
  const metadata = { name: `policy-${at}`, namespace };
  return { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata, spec } as KubeObject;
}

/** Whom pods of a role may speak to. */
function egressPolicy(role: string, egress: readonly object[]): KubeObject {
  const metadata = { name: `egress-of-${role}`, namespace };
  const spec = { podSelector: { matchLabels: { role } }, policyTypes: ["Egress"], egress };
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata,
    spec,
  } as KubeObject;
}

function knockingPod(command: readonly string[]): KubeObject {
  const metadata = { name: "knocking", namespace, labels: { role: "caged" } };
  const containers = [{ name: "knock", image: "none", command }];
  const spec = { nodeName: "node-2", terminationGracePeriodSeconds: 0, containers };
  return { apiVersion: "v1", kind: "Pod", metadata, spec } as KubeObject;
}

function restartAgent(node: string, signal: NodeJS.Signals): Promise<void> {
  return killProcess(lab, `agent/${node}`, { signal, returned: () => isAgentWell(lab, node) });
}
