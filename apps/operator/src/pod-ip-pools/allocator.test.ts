// The whole operator in mode multi-pool, against a real API server; the test is the agents.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type CiliumNode, KubeError, resources } from "@tsilium/kube";
import { type Cluster, expectEventually, withCluster } from "../testing/cluster.ts";

const flags = [
  "--ipam=multi-pool",
  "--enable-ipv6=false",
  "--auto-create-cilium-pod-ip-pools=default=ipv4-cidrs:10.10.0.0/27;ipv4-mask-size:29",
];

async function ask({ client, signal }: Cluster, name: string, needed: number): Promise<void> {
  const spec = {
    ipam: { pools: { requested: [{ pool: "default", needed: { "ipv4-addrs": needed } }] } },
  };
  try {
    await client.create(resources.nodes, { metadata: { name } }, { signal });
    await client.create(resources.ciliumNodes, { metadata: { name }, spec }, { signal });
  } catch (error) {
    if (!KubeError.isAlreadyExists(error)) throw error;
    await client.patch(resources.ciliumNodes, name, { type: "merge", patch: { spec }, signal });
  }
}

const view = ({ spec, status }: CiliumNode) =>
  [
    ...(spec?.ipam?.pools?.allocated ?? []).flatMap(({ cidrs = [] }) => cidrs),
    ...(status?.ipam?.["operator-status"]?.error ? ["error"] : []),
  ].join(" ");

async function expectNodes({ client, signal }: Cluster, expected: Record<string, string>) {
  await expectEventually(async () => {
    const { items } = await client.list(resources.ciliumNodes, { signal });
    return Object.fromEntries(items.map((item) => [item.metadata.name ?? "", view(item)]));
  }, expected);
}

test("nodes get CIDRs as they ask, keep them over restarts, and are told when a pool is empty", () =>
  withCluster(async (cluster) => {
    const { client, signal, operate } = cluster;
    const first = await operate(...flags);
    await ask(cluster, "node-1", 8);
    await expectNodes(cluster, { "node-1": "10.10.0.0/29 10.10.0.8/29" });
    await ask(cluster, "node-2", 6);
    await expectNodes(cluster, {
      "node-1": "10.10.0.0/29 10.10.0.8/29",
      "node-2": "10.10.0.16/29",
    });
    await first.stop();
    const second = await operate(...flags);
    await ask(cluster, "node-2", 24);
    await expectNodes(cluster, {
      "node-1": "10.10.0.0/29 10.10.0.8/29",
      "node-2": "10.10.0.16/29 10.10.0.24/29 error",
    });
    assert.match(
      await second.metrics.page().then(({ body }) => String(body)),
      /pool="default",family="ipv4",state="free"\} 0/,
    );
    // What one gives back, the other gets.
    await client.patch(resources.ciliumNodes, "node-1", {
      type: "merge",
      patch: {
        spec: {
          ipam: {
            pools: {
              requested: [{ pool: "default", needed: { "ipv4-addrs": 6 } }],
              allocated: [{ pool: "default", cidrs: ["10.10.0.0/29"] }],
            },
          },
        },
      },
      signal,
    });
    await expectNodes(cluster, {
      "node-1": "10.10.0.0/29",
      "node-2": "10.10.0.16/29 10.10.0.24/29 10.10.0.8/29 error",
    });
    // A wider pool heals the rest.
    await client.patch(resources.ciliumPodIPPools, "default", {
      type: "merge",
      patch: { spec: { ipv4: { cidrs: ["10.10.0.0/27", "10.20.0.0/28"] } } },
      signal,
    });
    await expectNodes(cluster, {
      "node-1": "10.10.0.0/29",
      "node-2": "10.10.0.16/29 10.10.0.24/29 10.10.0.8/29 10.20.0.0/29",
    });
  }));

test("eight nodes that ask at once never get the same CIDR", () =>
  withCluster(async (cluster) => {
    const { client, signal, operate } = cluster;
    await operate(
      ...flags.slice(0, 2),
      "--auto-create-cilium-pod-ip-pools=default=ipv4-cidrs:10.10.0.0/24;ipv4-mask-size:29",
    );
    const names = Array.from({ length: 8 }, (_, number) => `node-${number}`);
    await Promise.all(names.map((name) => ask(cluster, name, 12)));
    await expectEventually(async () => {
      const { items } = await client.list(resources.ciliumNodes, { signal });
      const given = items.flatMap((item) => view(item).split(" "));
      return [given.length, new Set(given).size];
    }, [16, 16]);
  }));

test("mode kubernetes gives nothing, and tells nodes of conflicts", () =>
  withCluster(async (cluster) => {
    const { client, signal, operate } = cluster;
    await operate("--ipam=kubernetes");
    for (const name of ["node-1", "node-2"]) {
      await client.create(resources.nodes, { metadata: { name } }, { signal });
      const spec = { ipam: { podCIDRs: ["10.1.0.0/24"] } };
      await client.create(resources.ciliumNodes, { metadata: { name }, spec }, { signal });
    }
    await expectEventually(async () => {
      const { items } = await client.list(resources.ciliumNodes, { signal });
      return items.map(({ status }) => status?.ipam?.["operator-status"]?.error ?? "");
    }, ["", "pod CIDR 10.1.0.0/24 overlaps 10.1.0.0/24 of node node-1, which had it first"]);
  }));
