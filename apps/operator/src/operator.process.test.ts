// The whole operator against a real API server.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { type CiliumNode, type Resource, resources } from "@tsilium/kube";
import { clusterNetworkPolicy } from "./crds/cluster-network-policy.ts";
import { schemaVersion } from "./crds/schema.ts";
import type { PolicyObject } from "./policy-status/condition.ts";
import { type Cluster, expectEventually, withCluster } from "./testing/cluster.ts";

async function addNode({ client, signal }: Cluster, name: string): Promise<void> {
  await client.create(resources.nodes, { metadata: { name } }, { signal });
  await addCiliumNode({ client, signal }, name);
}

async function addCiliumNode(
  { client, signal }: Pick<Cluster, "client" | "signal">,
  name: string,
): Promise<void> {
  const addresses = [{ type: "InternalIP", ip: `172.18.0.${name.length}` }];
  await client.create(
    resources.ciliumNodes,
    { metadata: { name }, spec: { addresses } },
    { signal },
  );
}

const podCidrs = ({ spec }: CiliumNode) => (spec?.ipam?.podCIDRs ?? []).join(" ");

/** Every CiliumNode as a line, once `expected` is what there is. */
async function expectNodes(
  { client, signal }: Cluster,
  expected: Record<string, string>,
): Promise<void> {
  await expectEventually(async () => {
    const { items } = await client.list(resources.ciliumNodes, { signal });
    return Object.fromEntries(items.map((item) => [item.metadata.name ?? "", podCidrs(item)]));
  }, expected);
}

test("definitions are installed, kept when they are ours, and replaced when they are older", () =>
  withCluster(
    async ({ client, signal, operate }) => {
      const first = await operate();
      const read = () => client.list(resources.customResourceDefinitions, { signal });
      const { items } = await read();
      assert.deepEqual(
        items.map(({ spec }) => `${spec.names.kind} ${spec.names.shortNames?.join(",")}`).sort(),
        [
          "CiliumCIDRGroup ccg",
          "CiliumClusterwideNetworkPolicy ccnp",
          "CiliumEndpoint cep,ciliumep",
          "CiliumIdentity ciliumid",
          "CiliumLoadBalancerIPPool ippool,ippools,lbippool,lbippools",
          "CiliumLocalRedirectPolicy clrp",
          "CiliumNetworkPolicy cnp,ciliumnp",
          "CiliumNode cn,ciliumn",
          "CiliumNodeConfig ",
          "CiliumPodIPPool cpip",
          "ClusterNetworkPolicy ",
        ],
      );
      await first.stop();
      const version = (value: string | null) =>
        client.patch(resources.customResourceDefinitions, "ciliumnodes.cilium.io", {
          type: "merge",
          patch: { metadata: { labels: { "io.cilium.k8s.crd.schema.version": value } } },
          signal,
        });
      for (const [before, after] of [
        ["9.0.0", "9.0.0"],
        ["0.9.0", schemaVersion],
        [null, schemaVersion],
      ] as const) {
        await version(before);
        await (await operate()).stop();
        const node = (await read()).items.find(({ spec }) => spec.names.kind === "CiliumNode");
        assert.equal(node?.metadata.labels?.["io.cilium.k8s.crd.schema.version"], after);
      }
    },
    { definitions: false },
  ));

test("a definition of ClusterNetworkPolicy that others installed is theirs; switched off, there is none", () =>
  withCluster(
    async ({ client, signal, operate }) => {
      const name = "clusternetworkpolicies.policy.networking.k8s.io";
      const read = async () =>
        (await client.list(resources.customResourceDefinitions, { signal })).items.find(
          ({ metadata }) => metadata.name === name,
        );
      await (await operate("--enable-k8s-cluster-network-policy=false")).stop();
      assert.equal(await read(), undefined);
      await client.create(
        resources.customResourceDefinitions,
        {
          ...clusterNetworkPolicy,
          metadata: { name, annotations: clusterNetworkPolicy.metadata.annotations ?? {} },
        },
        { signal },
      );
      await (await operate()).stop();
      assert.equal((await read())?.metadata.labels, undefined);
    },
    { definitions: false },
  ));

test("pools have a definition while LB-IPAM is on, local redirect policies always", () =>
  withCluster(
    async ({ client, signal, operate }) => {
      const operator = await operate("--enable-lb-ipam=false");
      const { items } = await client.list(resources.customResourceDefinitions, { signal });
      const kinds = items.map(({ spec }) => spec.names.kind);
      assert.ok(!kinds.includes("CiliumLoadBalancerIPPool"));
      assert.ok(kinds.includes("CiliumLocalRedirectPolicy"));
      const part = operator.health().find(({ name }) => name === "LB-IPAM");
      assert.equal(part?.state, "disabled");
      assert.match(
        await operator.metrics.registry.metrics(),
        /^tsilium_operator_lbipam_services_matching_total 0$/m,
      );
    },
    { definitions: false },
  ));

test("nodes get blocks beside load balancers' addresses while there are others", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    const blocks = [{ start: "10.244.0.250", stop: "10.244.2.5" }];
    await client.create(
      resources.ciliumLoadBalancerIPPools,
      { metadata: { name: "p" }, spec: { blocks } },
      { signal },
    );
    await cluster.operate();
    await addNode(cluster, "a");
    await expectNodes(cluster, { a: "10.244.3.0/24 fd00:10:244::/64" });
    await addNode(cluster, "bb");
    await expectNodes(cluster, {
      a: "10.244.3.0/24 fd00:10:244::/64",
      bb: "10.244.0.0/24 fd00:10:244:1::/64",
    });
  }));

test("nodes that come at once get pod CIDRs that do not overlap", () =>
  withCluster(async (cluster) => {
    await cluster.operate();
    await Promise.all(["a", "bb", "ccc", "dddd"].map((name) => addNode(cluster, name)));
    await expectEventually(async () => {
      const { items } = await cluster.client.list(resources.ciliumNodes, cluster);
      return items
        .flatMap((item) => item.spec?.ipam?.podCIDRs ?? [])
        .sort()
        .join(" ");
    }, "10.244.0.0/24 10.244.1.0/24 10.244.2.0/24 10.244.3.0/24 fd00:10:244:1::/64 fd00:10:244:2::/64 fd00:10:244:3::/64 fd00:10:244::/64");
  }));

test("pod CIDRs stay over a restart of the operator, and are not given twice by its successor", () =>
  withCluster(async (cluster) => {
    const first = await cluster.operate();
    await addNode(cluster, "a");
    await expectNodes(cluster, { a: "10.244.0.0/24 fd00:10:244::/64" });
    await first.stop();
    await addNode(cluster, "bb");
    await cluster.operate();
    await expectNodes(cluster, {
      a: "10.244.0.0/24 fd00:10:244::/64",
      bb: "10.244.1.0/24 fd00:10:244:1::/64",
    });
  }));

test("a deleted node's CiliumNode and CiliumEndpoints go, and its pod CIDRs to the next", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    await cluster.operate();
    await addNode(cluster, "a");
    await expectNodes(cluster, { a: "10.244.0.0/24 fd00:10:244::/64" });
    await addNode(cluster, "bb");
    for (const [name, node] of [
      ["left", "172.18.0.1"],
      ["other", "172.18.0.2"],
    ] as const)
      await client.create(
        resources.ciliumEndpoints,
        {
          metadata: { name, namespace: "default" },
          status: { networking: { addressing: [], node } },
        },
        { signal },
      );
    await client.delete(resources.nodes, "a", { signal });
    await expectNodes(cluster, { bb: "10.244.1.0/24 fd00:10:244:1::/64" });
    const { items } = await client.list(resources.ciliumEndpoints, { signal });
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      ["other"],
    );
    await addNode(cluster, "ccc");
    await expectNodes(cluster, {
      bb: "10.244.1.0/24 fd00:10:244:1::/64",
      ccc: "10.244.0.0/24 fd00:10:244::/64",
    });
  }));

test("a CiliumNode that lost its Node while no operator ran is removed, unless it is marked to stay", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    await addCiliumNode(cluster, "lost");
    await client.create(
      resources.ciliumNodes,
      {
        metadata: { name: "kept", annotations: { "cilium.io/do-not-gc": "true" } },
        spec: {},
      },
      { signal },
    );
    await cluster.operate();
    await expectEventually(
      async () =>
        (await client.list(resources.ciliumNodes, { signal })).items.map(
          ({ metadata }) => metadata.name,
        ),
      ["kept"],
    );
  }));

test("a node for which no block is left says so in its status, and gets the next one that comes free", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    const operator = await cluster.operate("--cluster-pool-ipv4-mask-size=22");
    const error = async () =>
      (await client.get(resources.ciliumNodes, "bb", { signal })).status?.ipam?.["operator-status"]
        ?.error ?? "";
    await addNode(cluster, "a");
    await expectNodes(cluster, { a: "10.244.0.0/22 fd00:10:244::/64" });
    await addNode(cluster, "bb");
    await expectEventually(error, "no free IPv4 block of length 22 is left in 10.244.0.0/22");
    assert.match(
      await operator.metrics.registry.metrics(),
      /tsilium_operator_ipam_nodes\{state="in_error"\} 1/,
    );
    assert.equal(
      operator.health().some(({ state }) => state === "degraded"),
      true,
    );
    await client.delete(resources.nodes, "a", { signal });
    await expectNodes(cluster, { bb: "fd00:10:244:1::/64 10.244.0.0/22" });
    await expectEventually(error, "");
  }));

test("CiliumEndpoints without a running pod are swept; those of running pods stay", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    const namespace = "default";
    const pod = async (name: string, phase: string) => {
      const spec = { containers: [{ name: "c", image: "x" }] };
      const made = await client.create(
        resources.pods,
        { metadata: { name, namespace }, spec },
        { signal },
      );
      await client.patchStatus(resources.pods, name, { namespace, status: { phase }, signal });
      return made.metadata.uid ?? "";
    };
    const endpoint = (name: string, uid: string) =>
      client.create(
        resources.ciliumEndpoints,
        {
          metadata: {
            name,
            namespace,
            ownerReferences: [{ apiVersion: "v1", kind: "Pod", name, uid }],
          },
          status: {},
        },
        { signal },
      );
    await endpoint("running", await pod("running", "Running"));
    await endpoint("ended", await pod("ended", "Succeeded"));
    await endpoint("gone", "11111111-1111-1111-1111-111111111111");
    await pod("replaced", "Running");
    await endpoint("replaced", "22222222-2222-2222-2222-222222222222");
    await cluster.operate();
    await expectEventually(
      async () =>
        (await client.list(resources.ciliumEndpoints, { signal })).items.map(
          ({ metadata }) => metadata.name,
        ),
      ["running"],
    );
  }));

type Spec = Readonly<Record<string, unknown>>;

/** Stores a policy, with nobody asked. */
async function addPolicy(
  { client, signal }: Cluster,
  resource: Resource<PolicyObject>,
  metadata: { readonly name: string; readonly namespace?: string },
  spec: Spec,
): Promise<void> {
  await client.create<PolicyObject>(resource, { metadata, spec } as PolicyObject, { signal });
}

/** Every policy's Valid condition as a line. */
async function validity({ client, signal }: Cluster): Promise<string[]> {
  const lines: string[] = [];
  for (const resource of [
    resources.ciliumNetworkPolicies,
    resources.ciliumClusterwideNetworkPolicies,
    resources.clusterNetworkPolicies,
  ]) {
    const { items } = await client.list<PolicyObject>(resource, { signal });
    for (const { metadata, status } of items)
      for (const { type, status: value, observedGeneration } of status?.conditions ?? [])
        lines.push(`${metadata.name} ${type}=${value} of ${observedGeneration}`);
  }
  return lines;
}

test("every policy is told whether it is valid, those stored while no operator ran too, and at each change", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    const { ciliumNetworkPolicies, ciliumClusterwideNetworkPolicies } = resources;
    const bad = { endpointSelector: {}, ingress: [{ fromEndpoints: [{}], toPort: [] }] };
    const good = { endpointSelector: {}, ingress: [{ fromEndpoints: [{}] }] };
    await addPolicy(cluster, ciliumNetworkPolicies, { name: "old", namespace: "default" }, bad);
    // Nobody refuses them: what is stored is judged all the same.
    const operator = await cluster.operate("--policy-webhook-serve-addr=");
    await addPolicy(cluster, ciliumNetworkPolicies, { name: "new", namespace: "default" }, good);
    await addPolicy(cluster, ciliumClusterwideNetworkPolicies, { name: "wide" }, bad);
    await addPolicy(
      cluster,
      resources.clusterNetworkPolicies,
      { name: "admin" },
      { tier: "Admin", priority: 1, subject: { namespaces: {} } },
    );
    const told = () => validity(cluster);
    await expectEventually(told, [
      "new Valid=True of 1",
      "old Valid=False of 1",
      "wide Valid=False of 1",
      "admin Valid=True of 1",
    ]);
    const old = await client.get<PolicyObject>(ciliumNetworkPolicies, "old", {
      namespace: "default",
      signal,
    });
    const [condition] = old.status?.conditions ?? [];
    assert.match(condition?.message ?? "", /spec\.ingress\[0\]\.toPort: /);
    assert.match(
      await operator.metrics.registry.metrics(),
      /tsilium_operator_policies\{kind="CiliumNetworkPolicy",state="invalid"\} 1/,
    );

    await client.patch(ciliumNetworkPolicies, "old", {
      namespace: "default",
      type: "merge",
      patch: { spec: good },
      signal,
    });
    await expectEventually(told, [
      "new Valid=True of 1",
      "old Valid=True of 2",
      "wide Valid=False of 1",
      "admin Valid=True of 1",
    ]);
    await client.patch(ciliumNetworkPolicies, "new", {
      namespace: "default",
      type: "merge",
      patch: { metadata: { annotations: { "policy.tsilium.io/enforcement": "maybe" } } },
      signal,
    });
    await expectEventually(async () => (await told())[0], "new Valid=False of 1");
  }));

test("a status that somebody else took away is written again, and what others wrote in it stays", () =>
  withCluster(async (cluster) => {
    const { client, signal } = cluster;
    const resource = resources.ciliumClusterwideNetworkPolicies;
    await cluster.operate();
    await addPolicy(cluster, resource, { name: "p" }, { endpointSelector: {}, egress: [{}] });
    await expectEventually(() => validity(cluster), ["p Valid=True of 1"]);
    const theirs = { type: "Theirs", status: "False", observedGeneration: 7 };
    await client.patchStatus(resource, "p", { status: { conditions: [theirs] }, signal });
    await expectEventually(() => validity(cluster), ["p Theirs=False of 7", "p Valid=True of 1"]);
  }));

test("an API server that goes away and comes back is taken up again", () =>
  withCluster(async (cluster) => {
    await cluster.operate();
    await addNode(cluster, "a");
    await expectNodes(cluster, { a: "10.244.0.0/24 fd00:10:244::/64" });
    await cluster.api.restart();
    // Connections of the old server's time would fail once.
    await addNode({ ...cluster, client: cluster.api.connect() }, "bb");
    await expectNodes(cluster, {
      a: "10.244.0.0/24 fd00:10:244::/64",
      bb: "10.244.1.0/24 fd00:10:244:1::/64",
    });
  }));

test("the process tells of itself over HTTP and ends at SIGTERM with status 0", () =>
  withCluster(async ({ api }) => {
    const main = join(import.meta.dirname, "main.ts");
    const flags = ["operator-prometheus-serve-addr", "operator-api-serve-addr"].flatMap((key) => [
      `--${key}`,
      "127.0.0.1:0",
    ]);
    const child = spawn(process.execPath, [main, "--kubeconfig", api.kubeconfig, ...flags], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = once(child, "exit");
    const ports: Record<string, number> = {};
    for await (const line of createInterface(child.stdout)) {
      const { server, port, msg } = JSON.parse(line);
      if (server) ports[server] = port;
      if (msg === "operator is ready") break;
    }
    const get = (server: string, path: string) => fetch(`http://127.0.0.1:${ports[server]}${path}`);
    const metrics = await (await get("metrics", "/metrics")).text();
    assert.match(metrics, /^tsilium_operator_ipam_nodes\{state="total"\} 0$/m);
    assert.equal((await get("health", "/healthz")).status, 200);
    assert.equal((await get("health", "/other")).status, 404);
    child.kill("SIGTERM");
    assert.deepEqual(await exited, [0, null]);
  }));
