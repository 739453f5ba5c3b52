// Audit mode: what policy would deny goes through, and the monitor tells of it with the rule that would have denied it.
//
//   node-1: client -> near
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { KubeObject } from "@tsilium/kube";
import { echoPod, Lab, manifests, namespaceManifest, root } from "./harness.ts";
import { LabObjects } from "./lab-objects.ts";
import { Monitor } from "./monitor.ts";

const namespace = "audit";
const enforcement = "policy.tsilium.io/enforcement";

type Mode = "audit" | "enforce";
type Case = {
  readonly sentence: string;
  readonly policies: readonly KubeObject[];
  /** Annotations. */
  readonly namespaceMode?: Mode;
  readonly podMode?: Mode;
  /** The monitor's events, a line each, when everything goes through; else all is denied. */
  readonly audited?: readonly string[];
};

const server = { matchLabels: { role: "server" } };
const client = { matchLabels: { role: "client" } };

function policy(kind: "NetworkPolicy" | "CiliumNetworkPolicy", name: string, spec: object) {
  const apiVersion = kind === "NetworkPolicy" ? "networking.k8s.io/v1" : "cilium.io/v2";
  return { apiVersion, kind, metadata: { name, namespace }, spec };
}

function audited<Policy extends KubeObject>(object: Policy): Policy {
  return { ...object, metadata: { ...object.metadata, annotations: { [enforcement]: "audit" } } };
}

const isolated = policy("NetworkPolicy", "isolated", {
  podSelector: server,
  policyTypes: ["Ingress"],
});
const silenced = policy("NetworkPolicy", "silenced", {
  podSelector: client,
  policyTypes: ["Egress"],
});
const opened = policy("NetworkPolicy", "opened", {
  podSelector: server,
  ingress: [{ from: [{ podSelector: client }] }],
});
const denied = policy("CiliumNetworkPolicy", "denied", {
  endpointSelector: server,
  ingress: [{ fromEntities: ["all"] }],
  ingressDeny: [{ fromEntities: ["world"] }, { fromEndpoints: [client] }],
});

const isolatedDenies = "ingress default deny of NetworkPolicy audit/isolated";

const cases: readonly Case[] = [
  {
    sentence: "a policy in audit mode isolates nobody",
    policies: [audited(isolated)],
    audited: [isolatedDenies],
  },
  {
    sentence: "nor does it deny by a rule",
    policies: [audited(denied)],
    audited: ["ingress CiliumNetworkPolicy audit/denied spec.ingressDeny[1]"],
  },
  {
    sentence: "both ends' audit policies are told of",
    policies: [audited(silenced), audited(isolated)],
    audited: ["egress default deny of NetworkPolicy audit/silenced", isolatedDenies],
  },
  {
    sentence: "what an audit policy would allow another one denies all the same",
    policies: [isolated, audited(opened)],
  },
  {
    sentence: "a namespace in audit mode, for its pods",
    policies: [isolated],
    namespaceMode: "audit",
    audited: [isolatedDenies],
  },
  {
    sentence: "but not for a pod that says otherwise",
    policies: [isolated],
    namespaceMode: "audit",
    podMode: "enforce",
  },
  {
    sentence: "a pod in audit mode",
    policies: [denied],
    podMode: "audit",
    audited: ["ingress CiliumNetworkPolicy audit/denied spec.ingressDeny[1]"],
  },
  { sentence: "and when it no longer is", policies: [denied] },
];

let lab: Lab;
let objects: LabObjects;
let near: readonly string[];

before(() => start({}));
after(stop);

for (const each of cases) test(each.sentence, () => assertAudited(each));

test("policy-audit-mode lets through what any policy denies, and tells of it", async () => {
  await stop();
  await start({ "policy-audit-mode": "true" });
  await assertAudited({
    sentence: "all are in audit mode",
    policies: [silenced, isolated],
    audited: ["egress default deny of NetworkPolicy audit/silenced", isolatedDenies],
  });
});

async function start(set: Record<string, string>): Promise<void> {
  lab = await Lab.up({ nodes: 1, name: `t${process.pid}audit`, set });
  objects = await LabObjects.of(lab);
  await lab.apply(
    manifests(
      namespaceManifest(namespace),
      echoPod({ name: "client", namespace, node: "node-1", labels: { role: "client" } }),
      echoPod({ name: "near", namespace, node: "node-1", labels: { role: "server" } }),
    ),
  );
  await lab.wait(namespace);
  const pod = (await lab.pods(namespace)).find(({ metadata }) => metadata.name === "near");
  near = pod?.status.podIPs?.map(({ ip }) => ip) ?? [];
  assert.equal(near.length, 2);
}

async function stop(): Promise<void> {
  objects?.[Symbol.dispose]();
  await lab?.[Symbol.asyncDispose]();
}

async function assertAudited(each: Case): Promise<void> {
  await using _ = await arranged(each);
  await using monitor = new Monitor(lab, "node-1");
  await monitor.listening(async () => void (await requests()));
  const heard = await requests();
  const wanted = each.audited ?? [];
  // Two requests, one of each family.
  await monitor.settle(wanted.length * near.length);
  if (each.audited) assert.deepEqual(heard, ["ok", "ok"]);
  else assert.deepEqual(heard, ["denied", "denied"]);
  const events = monitor.events.map(
    ({ kind, verdict, direction, rule }) => `${kind} ${verdict}: ${direction} ${rule?.name}`,
  );
  if (each.audited)
    assert.deepEqual(
      events,
      near.flatMap(() => wanted.map((line) => `policy-verdict audit: ${line}`)),
    );
}

/** One TCP request to each address of `near`. */
async function requests(): Promise<string[]> {
  const lines = near.map((address) => `tcp ${address} 8080 10 300\n`).join("");
  const answer = await lab.exec(namespace, "client", [join(root, "dist/bin/probe")], {
    input: lines,
  });
  return answer.stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => (line.startsWith("ok ") ? "ok" : "denied"));
}

/** The cluster as a case wants it, until disposed of. */
async function arranged({ policies, namespaceMode, podMode }: Case): Promise<AsyncDisposable> {
  const annotate = async (object: KubeObject, mode: Mode | undefined) =>
    objects.patch(object, { metadata: { annotations: { [enforcement]: mode ?? null } } });
  const namespaceObject = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
  const podObject = { apiVersion: "v1", kind: "Pod", metadata: { name: "near", namespace } };
  for (const object of policies) await objects.create(object);
  await annotate(namespaceObject, namespaceMode);
  await annotate(podObject, podMode);
  await objects.inKernels();
  return {
    [Symbol.asyncDispose]: async () => {
      for (const object of policies) await objects.delete(object);
      await annotate(namespaceObject, undefined);
      await annotate(podObject, undefined);
    },
  };
}
