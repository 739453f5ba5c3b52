import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Endpoints, StateFiles } from "@tsilium/endpoint";
import { labelFilter, podIdentityLabels } from "@tsilium/identity";
import type { Namespace, Pod } from "@tsilium/kube";
import { Labels } from "@tsilium/net";
import { Reconciler, Table } from "@tsilium/tables";
import { Reidentifier } from "./reidentifier.ts";

const root = mkdtempSync(join(tmpdir(), "tsilium-reidentify-"));
after(() => rmSync(root, { recursive: true }));

const pod = (labels: Record<string, string>, uid = "u"): Pod => ({
  metadata: { name: "cart", namespace: "shop", uid, labels },
  spec: { containers: [] },
});
const namespace = (labels: Record<string, string>): Namespace => ({
  metadata: { name: "shop", labels },
});

/** Identities by label set, with their references counted. */
class Allocator {
  readonly references = new Map<number, number>();
  readonly #ids = new Map<string, number>();
  readonly allocate = async (labels: Labels) => {
    const id = this.#ids.get(labels.key) ?? 300 + this.#ids.size;
    this.#ids.set(labels.key, id);
    this.references.set(id, (this.references.get(id) ?? 0) + 1);
    return { id, labels, reserved: false };
  };
  readonly release = (id: number) => {
    this.references.set(id, (this.references.get(id) ?? 0) - 1);
  };
}

type LabelsOf = (pod: Pod, namespace: Namespace) => Labels;

/** A pod's labels and its namespace's, told apart by their source. */
const plainLabels: LabelsOf = (of, within) =>
  Labels.fromRecord("k8s", of.metadata.labels ?? {}).with(
    Labels.fromRecord("ns", within.metadata.labels ?? {}),
  );

async function setUp(graceMs: number, labelsOf: LabelsOf = plainLabels) {
  const endpoints = new Endpoints(new StateFiles(mkdtempSync(join(root, "state-"))));
  const pods = new Table<Pod>({
    name: "pods",
    key: ({ metadata }) => `${metadata.namespace}/${metadata.name}`,
  });
  const namespaces = new Table<Namespace>({
    name: "namespaces",
    key: ({ metadata }) => metadata.name ?? "",
  });
  const allocator = new Allocator();
  const reidentifier = new Reidentifier({
    endpoints,
    pods,
    namespaces,
    labelsOf,
    allocate: allocator.allocate,
    release: allocator.release,
    graceMs,
  });
  pods.upsert(pod({ app: "cart" }));
  namespaces.upsert(namespace({}));
  const labels = Labels.parse(["k8s:app=cart"]);
  const first = await allocator.allocate(labels);
  const { id } = endpoints.create({
    attachment: { containerId: "c", ifName: "eth0" },
    netns: "/n",
    network: "tsilium",
    ipv4: undefined,
    ipv6: undefined,
    namespace: "shop",
    podName: "cart",
    podUid: "u",
    identity: 0,
    labels,
  });
  endpoints.change(id, { state: "waiting-for-identity" });
  endpoints.change(id, { state: "waiting-to-regenerate", identity: first.id, attachedAt: "now" });
  reidentifier.start();
  const reconciler = new Reconciler({
    name: "identities",
    table: reidentifier.table,
    operations: reidentifier.operations,
  });
  reconciler.start();
  const settled = async () => {
    await reconciler.settled(AbortSignal.timeout(1000));
    await reidentifier.graceOver(AbortSignal.timeout(1000));
  };
  const state = () => {
    const endpoint = endpoints.get(id);
    return `${endpoint?.identity} ${endpoint?.labels} ${endpoint?.state}`;
  };
  const stack = new DisposableStack();
  stack.use(reconciler);
  stack.use(reidentifier);
  return {
    endpoints,
    pods,
    namespaces,
    allocator,
    reidentifier,
    reconciler,
    settled,
    state,
    id,
    stack,
  };
}

test("labels that did not change keep the identity", async () => {
  const { settled, state, allocator, stack } = await setUp(0);
  using _ = stack;
  await settled();
  assert.equal(state(), "300 k8s:app=cart waiting-to-regenerate");
  assert.deepEqual([...allocator.references], [[300, 1]]);
});

test("a pod whose labels change gets their identity and gives the old one back", async () => {
  const { pods, settled, state, allocator, stack } = await setUp(0);
  using _ = stack;
  pods.upsert(pod({ app: "till" }));
  await settled();
  assert.equal(state(), "301 k8s:app=till waiting-to-regenerate");
  assert.deepEqual(
    [...allocator.references],
    [
      [300, 0],
      [301, 1],
    ],
  );
});

test("a namespace's labels change the identities of its pods", async () => {
  const { namespaces, settled, state, stack } = await setUp(0);
  using _ = stack;
  namespaces.upsert(namespace({ team: "a" }));
  await settled();
  assert.equal(state(), "301 k8s:app=cart,ns:team=a waiting-to-regenerate");
});

test("a new identity is announced first and used after the grace time", async () => {
  const { pods, settled, reconciler, reidentifier, state, stack } = await setUp(30);
  using _ = stack;
  pods.upsert(pod({ app: "till" }));
  await reconciler.settled(AbortSignal.timeout(1000));
  assert.equal(state(), "300 k8s:app=cart waiting-to-regenerate");
  assert.equal(reidentifier.announced, 1);
  await settled();
  assert.equal(state(), "301 k8s:app=till waiting-to-regenerate");
});

test("labels that change back within the grace time change nothing", async () => {
  const { pods, settled, reconciler, state, allocator, stack } = await setUp(50);
  using _ = stack;
  pods.upsert(pod({ app: "till" }));
  await reconciler.settled(AbortSignal.timeout(1000));
  pods.upsert(pod({ app: "cart" }));
  await settled();
  assert.equal(state(), "300 k8s:app=cart waiting-to-regenerate");
  assert.deepEqual(
    [...allocator.references],
    [
      [300, 1],
      [301, 0],
    ],
  );
});

test("a pod of the same name and another UID is somebody else's", async () => {
  const { pods, settled, state, stack } = await setUp(0);
  using _ = stack;
  pods.upsert(pod({ app: "till" }, "another"));
  await settled();
  assert.equal(state(), "300 k8s:app=cart waiting-to-regenerate");
});

test("an endpoint that goes away in its grace time gives the announced identity back", async () => {
  const { pods, reconciler, endpoints, id, allocator, reidentifier, stack } = await setUp(50);
  using _ = stack;
  pods.upsert(pod({ app: "till" }));
  await reconciler.settled(AbortSignal.timeout(1000));
  endpoints.remove(id);
  assert.equal(reidentifier.announced, 0);
  assert.equal(allocator.references.get(301), 0);
});

test("endpoints of an identity that lost its number move to the one that won", async () => {
  const { endpoints, id, reidentifier, settled, allocator, stack } = await setUp(0);
  using _ = stack;
  await settled();
  endpoints.change(id, { identity: 999 });
  reidentifier.supersede(999);
  await settled();
  assert.equal(endpoints.get(id)?.identity, 300);
  assert.equal(allocator.references.get(999), -1);
});

const forgedLater: readonly (readonly [string, Record<string, string>, string])[] = [
  [
    "CVE-2023-39347: labels that a pod is given later never stand for its namespace, cluster or account",
    {
      "io.kubernetes.pod.namespace": "kube-system",
      "io.cilium.k8s.policy.cluster": "other",
      "io.cilium.k8s.policy.serviceaccount": "admin",
    },
    "k8s:io.cilium.k8s.namespace.labels.tier=iron,k8s:io.cilium.k8s.policy.cluster=default,k8s:io.kubernetes.pod.namespace=shop",
  ],
  [
    "GHSA-pfhr-pccp-hwmh: labels that a pod is given later never pass for its namespace's",
    { "io.cilium.k8s.namespace.labels.tier": "gold", app: "till" },
    "k8s:app=till,k8s:io.cilium.k8s.namespace.labels.tier=iron,k8s:io.cilium.k8s.policy.cluster=default,k8s:io.kubernetes.pod.namespace=shop",
  ],
];
for (const [sentence, labels, expected] of forgedLater) {
  test(sentence, async () => {
    const filter = labelFilter();
    const { pods, namespaces, endpoints, id, settled, stack } = await setUp(0, (of, within) =>
      podIdentityLabels({ pod: of, namespace: within, clusterName: "default", filter }),
    );
    using _ = stack;
    namespaces.upsert(namespace({ tier: "iron" }));
    pods.upsert(pod(labels));
    await settled();
    assert.equal(endpoints.get(id)?.labels.toString(), expected);
  });
}
