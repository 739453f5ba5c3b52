// The controllers against the real API server.
import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import {
  type KubeClient,
  KubeError,
  resources,
  type Deployment,
  type EndpointSlice,
  type KubeObject,
  type Pod,
  type Resource,
} from "@tsilium/kube";
import { Cache } from "./cache.ts";
import { eventually, nodeNamed, startCluster, type TestCluster } from "./testing/cluster.ts";

let cluster: TestCluster;
let client: KubeClient;
let signal: AbortSignal;

before(async () => {
  cluster = await startCluster({
    nodes: ["node-1", "node-2"],
    apiEndpoints: [{ address: "172.18.0.1", port: 6443 }],
    node: { gracePeriodMs: 300, checkEveryMs: 50 },
  });
  ({ client, signal } = cluster);
});

after(async () => {
  await cluster[Symbol.asyncDispose]();
});

async function all<T extends KubeObject>(
  resource: Resource<T>,
  namespace?: string,
  labelSelector?: string,
) {
  return (await client.list(resource, { namespace, labelSelector, signal })).items;
}

function deployment(name: string, replicas: number, image = "one"): Deployment {
  const labels = { app: name };
  return {
    metadata: { name, namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "c", image, ports: [{ name: "http", containerPort: 80 }] }] },
      },
    },
  };
}

async function rolledOut(name: string, replicas: number): Promise<Deployment> {
  return eventually(async () => {
    const found = await client.get(resources.deployments, name, { namespace: "default", signal });
    const { status } = found;
    const done =
      status?.observedGeneration === found.metadata.generation &&
      status?.updatedReplicas === replicas &&
      status?.replicas === replicas &&
      status?.availableReplicas === replicas;
    return done ? found : undefined;
  });
}

test("a deployment becomes ready pods, spread over the nodes", async () => {
  await client.create(resources.deployments, deployment("spread", 4), { signal });
  await rolledOut("spread", 4);
  const pods = await all(resources.pods, "default", "app=spread");
  const nodes = pods.map((pod) => pod.spec.nodeName).sort();
  assert.deepEqual(nodes, ["node-1", "node-1", "node-2", "node-2"]);
});

test("a deployment follows its replicas up and down", async () => {
  await client.create(resources.deployments, deployment("sized", 1), { signal });
  await rolledOut("sized", 1);
  for (const replicas of [5, 2]) {
    await client.patch(resources.deployments, "sized", {
      namespace: "default",
      type: "merge",
      patch: { spec: { replicas } },
      signal,
    });
    await rolledOut("sized", replicas);
    const pods = await all(resources.pods, "default", "app=sized");
    assert.equal(pods.filter((pod) => !pod.metadata.deletionTimestamp).length, replicas);
  }
});

test("a changed template replaces every pod and keeps the old set, empty", async () => {
  await client.create(resources.deployments, deployment("rolled", 3), { signal });
  await rolledOut("rolled", 3);
  const changed = deployment("rolled", 3, "two");
  await client.replace(resources.deployments, changed, { signal });
  await rolledOut("rolled", 3);
  const pods = (await all(resources.pods, "default", "app=rolled")).filter(
    (pod) => !pod.metadata.deletionTimestamp,
  );
  assert.deepEqual(
    pods.map((pod) => pod.spec.containers[0]?.image),
    ["two", "two", "two"],
  );
  const sets = await all(resources.replicaSets, "default", "app=rolled");
  assert.deepEqual(sets.map((set) => set.spec.replicas).sort(), [0, 3]);
});

test("a pod that is deleted is replaced", async () => {
  await client.create(resources.deployments, deployment("healed", 1), { signal });
  await rolledOut("healed", 1);
  const [first] = await all(resources.pods, "default", "app=healed");
  await client.delete(resources.pods, first?.metadata.name ?? "", { namespace: "default", signal });
  await eventually(async () => {
    const [now] = (await all(resources.pods, "default", "app=healed")).filter(
      (pod) => pod.status?.phase === "Running",
    );
    return now && now.metadata.uid !== first?.metadata.uid ? now : undefined;
  });
});

test("deleting a deployment deletes its sets and pods", async () => {
  await client.create(resources.deployments, deployment("swept", 2), { signal });
  await rolledOut("swept", 2);
  await client.delete(resources.deployments, "swept", { namespace: "default", signal });
  await eventually(async () => {
    const left = [
      ...(await all(resources.pods, "default", "app=swept")),
      ...(await all(resources.replicaSets, "default", "app=swept")),
    ];
    return left.length === 0 ? true : undefined;
  });
});

test("deleting in the foreground keeps the owner until its dependents are gone", async () => {
  await client.create(resources.deployments, deployment("foreground", 1), { signal });
  await rolledOut("foreground", 1);
  await client.delete(resources.deployments, "foreground", {
    namespace: "default",
    propagationPolicy: "Foreground",
    signal,
  });
  await eventually(async () => {
    try {
      await client.get(resources.deployments, "foreground", { namespace: "default", signal });
      return undefined;
    } catch (error) {
      return KubeError.isNotFound(error) ? true : undefined;
    }
  });
  assert.deepEqual(await all(resources.replicaSets, "default", "app=foreground"), []);
});

test("a service has slices of both families with the ready pods behind it", async () => {
  await client.create(resources.deployments, deployment("served", 2), { signal });
  const service = await client.create(
    resources.services,
    {
      metadata: { name: "served", namespace: "default" },
      spec: {
        selector: { app: "served" },
        ipFamilyPolicy: "PreferDualStack",
        ports: [{ port: 8080, targetPort: "http" }],
      },
    },
    { signal },
  );
  assert.equal(service.spec.clusterIPs?.length, 2);
  await rolledOut("served", 2);
  const slices = await eventually(async () => {
    const found = await all(
      resources.endpointSlices,
      "default",
      "kubernetes.io/service-name=served",
    );
    const full = found.every(
      (slice) => slice.endpoints?.filter((entry) => entry.conditions?.ready).length === 2,
    );
    return found.length === 2 && full ? found : undefined;
  });
  assert.deepEqual(slices.map((slice) => slice.addressType).sort(), ["IPv4", "IPv6"]);
  assert.deepEqual(slices[0]?.ports, [{ name: "", protocol: "TCP", port: 80 }]);
  await client.delete(resources.services, "served", { namespace: "default", signal });
  await eventually(async () =>
    (await all(resources.endpointSlices, "default", "kubernetes.io/service-name=served")).length ===
    0
      ? true
      : undefined,
  );
});

type Slice = EndpointSlice;
const slicesOf = (name: string): Promise<readonly Slice[]> =>
  all(resources.endpointSlices, "default", `kubernetes.io/service-name=${name}`);

async function addPod(name: string, address: number): Promise<Pod> {
  const labels = { app: "sliced", name };
  const spec = { nodeName: "node-1", containers: [{ name: "c", image: "x" }] };
  await client.create(
    resources.pods,
    { metadata: { name, namespace: "default", labels }, spec },
    { signal },
  );
  return eventually(async () => {
    const ip = `10.245.${address >> 8}.${address & 255}`;
    const status = { phase: "Running", podIP: ip, podIPs: [{ ip }], conditions: [ready] };
    return client.patchStatus(resources.pods, name, { namespace: "default", status, signal });
  });
}

const ready = { type: "Ready", status: "True" } as const;

test("slices follow their service: its labels, its ports, zones and hints; the others stay as they are", async () => {
  await client.patch(resources.nodes, "node-1", {
    type: "merge",
    patch: { metadata: { labels: { "topology.kubernetes.io/zone": "north" } } },
    signal,
  });
  for (let at = 0; at < 120; at++) await addPod(`sliced-${at}`, at);
  await client.create(
    resources.services,
    {
      metadata: { name: "sliced", namespace: "default", labels: { color: "red" } },
      spec: { selector: { app: "sliced" }, ports: [{ port: 80 }] },
    },
    { signal },
  );
  const settled = (check: (slices: readonly Slice[]) => boolean) =>
    eventually(async () => {
      const slices = await slicesOf("sliced");
      return check(slices) ? slices : undefined;
    });
  const sizes = (slices: readonly Slice[]) =>
    slices
      .map(({ endpoints }) => endpoints?.length ?? 0)
      .sort()
      .join();
  const before = await settled(
    (slices) =>
      sizes(slices) === "100,20" &&
      slices.every(({ endpoints }) => endpoints?.every(({ conditions }) => conditions?.ready)),
  );
  assert.equal(before[0]?.metadata.labels?.["color"], "red");
  assert.equal(before[0]?.endpoints?.[0]?.zone, "north");

  const versions = (slices: readonly Slice[]) =>
    Object.fromEntries(slices.map(({ metadata }) => [metadata.name, metadata.resourceVersion]));
  const small = before.find(({ endpoints }) => endpoints?.length === 20);
  const [victim] = small?.endpoints ?? [];
  await client.patchStatus(resources.pods, victim?.targetRef?.name ?? "", {
    namespace: "default",
    status: { conditions: [{ ...ready, status: "False" }] },
    signal,
  });
  const after = await settled((slices) =>
    slices.some(({ endpoints }) => endpoints?.some(({ conditions }) => !conditions?.ready)),
  );
  const changed = Object.keys(versions(after)).filter(
    (name) => versions(after)[name] !== versions(before)[name],
  );
  assert.deepEqual(changed, [small?.metadata.name], "one endpoint, one slice");

  const names = Object.keys(versions(before)).sort();
  await client.patch(resources.services, "sliced", {
    namespace: "default",
    type: "merge",
    patch: {
      metadata: { labels: { color: "blue" } },
      spec: { ports: [{ port: 81 }], trafficDistribution: "PreferClose" },
    },
    signal,
  });
  const moved = await settled((slices) =>
    slices.every(
      ({ metadata, ports, endpoints }) =>
        metadata.labels?.["color"] === "blue" &&
        ports?.[0]?.port === 81 &&
        endpoints?.some(({ hints }) => hints?.forZones?.[0]?.name === "north"),
    ),
  );
  assert.deepEqual(Object.keys(versions(moved)).sort(), names, "the same slices, never none");

  await client.patch(resources.nodes, "node-1", {
    type: "merge",
    patch: { metadata: { labels: { "topology.kubernetes.io/zone": null } } },
    signal,
  });
  await settled((slices) =>
    slices.every(({ endpoints }) => endpoints?.every(({ zone, hints }) => !zone && !hints)),
  );
});

test("slices that users make for a service without a selector are theirs", async () => {
  await client.create(
    resources.services,
    { metadata: { name: "manual", namespace: "default" }, spec: { ports: [{ port: 80 }] } },
    { signal },
  );
  const labels = { "kubernetes.io/service-name": "manual" };
  await client.create(
    resources.endpointSlices,
    {
      metadata: { name: "manual-1", namespace: "default", labels },
      addressType: "IPv4",
      endpoints: [{ addresses: ["198.51.100.1"] }],
      ports: [{ port: 8080 }],
    },
    { signal },
  );
  await client.create(
    resources.services,
    {
      metadata: { name: "after", namespace: "default" },
      spec: { selector: { app: "nobody" }, ports: [{ port: 80 }] },
    },
    { signal },
  );
  await eventually(async () => ((await slicesOf("after")).length === 1 ? true : undefined));
  const slices = await slicesOf("manual");
  assert.deepEqual(
    slices.map(({ metadata, endpoints }) => [metadata.name, endpoints?.[0]?.addresses]),
    [["manual-1", ["198.51.100.1"]]],
  );
});

test("a service that gives up its selector keeps the slices it has", async () => {
  await addPod("kept-pod", 999);
  await client.create(
    resources.services,
    {
      metadata: { name: "taken-over", namespace: "default" },
      spec: { selector: { name: "kept-pod" }, ports: [{ port: 80 }] },
    },
    { signal },
  );
  const full = (slices: readonly Slice[]) =>
    slices[0]?.endpoints?.length === 1 ? true : undefined;
  await eventually(async () => full(await slicesOf("taken-over")));
  await client.patch(resources.services, "taken-over", {
    namespace: "default",
    type: "merge",
    patch: { spec: { selector: null } },
    signal,
  });
  await client.delete(resources.pods, "kept-pod", { namespace: "default", signal });
  await eventually(async () => {
    const pods = await all(resources.pods, "default", "name=kept-pod");
    return pods.length === 0 ? true : undefined;
  });
  assert.ok(full(await slicesOf("taken-over")));
});

test("the service kubernetes leads to the API server", async () => {
  const slice = await client.get(resources.endpointSlices, "kubernetes", {
    namespace: "default",
    signal,
  });
  assert.deepEqual(
    slice.endpoints?.map((entry) => entry.addresses),
    [["172.18.0.1"]],
  );
});

test("a daemon set runs on every node, also on one that comes later, and goes with one that leaves", async () => {
  const labels = { app: "daemon" };
  await client.create(
    resources.daemonSets,
    {
      metadata: { name: "daemon", namespace: "kube-system" },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "x" }] } },
      },
    },
    { signal },
  );
  const nodesOf = async () =>
    (await all(resources.pods, "kube-system", "app=daemon"))
      .filter((pod) => !pod.metadata.deletionTimestamp)
      .map((pod) => pod.spec.nodeName)
      .sort()
      .join();
  await eventually(async () => ((await nodesOf()) === "node-1,node-2" ? true : undefined));
  await client.create(resources.nodes, nodeNamed("node-3"), { signal });
  await eventually(async () => ((await nodesOf()) === "node-1,node-2,node-3" ? true : undefined));
  await client.delete(resources.nodes, "node-3", { signal });
  await eventually(async () => ((await nodesOf()) === "node-1,node-2" ? true : undefined));
});

test("a pod that fits nowhere says why, and is bound once it fits", async () => {
  const pod: Pod = {
    metadata: { name: "picky", namespace: "default" },
    spec: { nodeSelector: { disk: "ssd" }, containers: [{ name: "c", image: "x" }] },
  };
  await client.create(resources.pods, pod, { signal });
  const told = await eventually(async () => {
    const now = await client.get(resources.pods, "picky", { namespace: "default", signal });
    return now.status?.conditions?.find((condition) => condition.type === "PodScheduled")?.message;
  });
  assert.equal(
    told,
    "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
  );
  await client.patch(resources.nodes, "node-2", {
    type: "merge",
    patch: { metadata: { labels: { disk: "ssd" } } },
    signal,
  });
  const node = await eventually(
    async () =>
      (await client.get(resources.pods, "picky", { namespace: "default", signal })).spec.nodeName,
  );
  assert.equal(node, "node-2");
});

test("a namespace that is deleted takes its contents along", async () => {
  await client.create(resources.namespaces, { metadata: { name: "doomed" } }, { signal });
  await eventually(async () =>
    (await all(resources.serviceAccounts, "doomed")).length === 1 ? true : undefined,
  );
  await client.create(
    resources.configMaps,
    { metadata: { name: "c", namespace: "doomed" } },
    { signal },
  );
  await client.create(
    resources.deployments,
    { ...deployment("inside", 2), metadata: { name: "inside", namespace: "doomed" } },
    { signal },
  );
  await eventually(async () =>
    (await all(resources.pods, "doomed")).length === 2 ? true : undefined,
  );
  await client.delete(resources.namespaces, "doomed", { signal });
  await eventually(async () =>
    (await all(resources.namespaces)).some((namespace) => namespace.metadata.name === "doomed")
      ? undefined
      : true,
  );
  assert.deepEqual(await all(resources.pods, "doomed"), []);
  assert.deepEqual(await all(resources.configMaps, "doomed"), []);
});

test("a definition that is deleted takes the objects of its kind along", async () => {
  const definition = {
    metadata: { name: "widgets.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced" as const,
      names: { plural: "widgets", kind: "Widget" },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: "object" } },
        },
      ],
    },
  };
  const widgets: Resource = {
    group: "example.com",
    version: "v1",
    plural: "widgets",
    kind: "Widget",
    namespaced: true,
  };
  await client.create(resources.customResourceDefinitions, definition, { signal });
  await client.create(widgets, { metadata: { name: "w", namespace: "default" } }, { signal });
  await client.delete(resources.customResourceDefinitions, "widgets.example.com", { signal });
  await eventually(async () =>
    (await all(resources.customResourceDefinitions)).length === 0 ? true : undefined,
  );
  await assert.rejects(all(widgets), (error) => KubeError.isNotFound(error));
});

test("a node whose lease is not renewed is not ready, and neither are its pods", async () => {
  await client.create(resources.nodes, nodeNamed("silent"), { signal });
  const beat = () => ({
    holderIdentity: "silent",
    renewTime: new Date().toISOString().replace("Z", "000Z"),
  });
  await client.create(
    resources.leases,
    { metadata: { name: "silent", namespace: "kube-node-lease" }, spec: beat() },
    { signal },
  );
  await client.create(
    resources.pods,
    {
      metadata: { name: "on-silent", namespace: "default" },
      spec: { nodeName: "silent", containers: [{ name: "c", image: "x" }] },
    },
    { signal },
  );
  const readiness = async () =>
    (await client.get(resources.nodes, "silent", { signal })).status?.conditions?.find(
      (condition) => condition.type === "Ready",
    )?.status;
  await eventually(async () => ((await readiness()) === "Unknown" ? true : undefined));
  await eventually(async () => {
    const pod = await client.get(resources.pods, "on-silent", { namespace: "default", signal });
    const ready = pod.status?.conditions?.find((condition) => condition.type === "Ready");
    return ready?.status === "False" ? true : undefined;
  });
});

test("caches keep no account of who owns which field, and a write from one does not lose it", async () => {
  const stop = new AbortController();
  const cache = new Cache(client, resources.configMaps, {
    signal: AbortSignal.any([signal, stop.signal]),
    onError: (error) => assert.fail(String(error)),
  });
  await cache.synced;
  const metadata = { name: "kept", namespace: "default" };
  await cache.seen([await client.create(resources.configMaps, { metadata, data: {} }, { signal })]);
  const cached = cache.get("default/kept");
  assert.ok(cached);
  assert.equal("managedFields" in cached.metadata, false);
  await client.replace(resources.configMaps, { ...cached, data: { a: "b" } }, { signal });
  const { metadata: stored } = (await client.get(resources.configMaps, "kept", {
    namespace: "default",
    signal,
  })) as { metadata: { managedFields?: readonly { readonly manager: string }[] } };
  assert.deepEqual(
    stored.managedFields?.map(({ manager }) => manager),
    ["tsilium"],
  );
  stop.abort();
  await cache.done;
});
