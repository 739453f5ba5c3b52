// Against a real API server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type CiliumNode, resources } from "@tsilium/kube";
import { Address } from "@tsilium/net";
import { startTestApi, type TestApi } from "@tsilium/testkit/api-server.ts";
import { NodeDiscovery } from "./discovery.ts";
import type { LocalNode } from "./model.ts";
import { ensureLocalNode, NodePublisher } from "./publisher.ts";

const local: LocalNode = {
  name: "node-1",
  ipv4: Address.parse("172.18.0.2"),
  ipv6: undefined,
  routerIpv4: undefined,
  routerIpv6: undefined,
  labels: {},
  bootId: "boot",
};

async function withCluster(
  body: (api: TestApi, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  await using api = await startTestApi();
  const stop = new AbortController();
  try {
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]);
    await api.client.create(resources.nodes, { metadata: { name: "node-1" } }, { signal });
    await body(api, signal);
  } finally {
    stop.abort();
  }
}

const addressesOf = ({ spec }: CiliumNode) =>
  (spec?.addresses ?? []).map(({ type, ip }) => `${type} ${ip}`);

async function eventually(check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!(await check())) {
    assert.ok(Date.now() < deadline, "it never came about");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("the CiliumNode is made, then changed, then left alone, and belongs to its Node", () =>
  withCluster(async ({ client }, signal) => {
    const made = await ensureLocalNode(client, local, signal);
    const node = await client.get(resources.nodes, "node-1", { signal });
    assert.equal(made.metadata.ownerReferences?.[0]?.uid, node.metadata.uid);
    const routed = { ...local, routerIpv4: Address.parse("10.244.0.1") };
    const changed = await ensureLocalNode(client, routed, signal);
    assert.deepEqual(addressesOf(changed), [
      "InternalIP 172.18.0.2",
      "CiliumInternalIP 10.244.0.1",
    ]);
    const again = await ensureLocalNode(client, routed, signal);
    assert.equal(again.metadata.resourceVersion, changed.metadata.resourceVersion);
  }));

test("a node without a Node publishes nothing", () =>
  withCluster(async ({ client }, signal) => {
    await assert.rejects(ensureLocalNode(client, { ...local, name: "gone" }, signal), {
      code: "node_missing",
      message: "there is no Node gone",
    });
    assert.equal((await client.list(resources.ciliumNodes, { signal })).items.length, 0);
  }));

test("somebody's edit or deletion of our CiliumNode is put right", () =>
  withCluster(async (api, signal) => {
    const { client } = api;
    const discovery = new NodeDiscovery({ client: api.connect(), localName: "node-1" });
    await discovery.start(signal);
    using publisher = new NodePublisher({ client, nodes: discovery.table });
    publisher.start();
    publisher.publish(local);
    await publisher.settled(signal);
    const read = () => client.get(resources.ciliumNodes, "node-1", { signal });
    const right = async () =>
      addressesOf(await read().catch(() => ({ metadata: {} }))).join() === "InternalIP 172.18.0.2";

    await client.patch(resources.ciliumNodes, "node-1", {
      type: "merge",
      patch: { spec: { addresses: [{ type: "InternalIP", ip: "192.0.2.1" }] } },
      signal,
    });
    await eventually(right);
    await client.delete(resources.ciliumNodes, "node-1", { signal });
    await eventually(right);
    await publisher.stop();
  }));

test("waiting for pod CIDRs ends when the operator has given one of each family", () =>
  withCluster(async (api, signal) => {
    const { client } = api;
    const discovery = new NodeDiscovery({ client: api.connect(), localName: "node-1" });
    await discovery.start(signal);
    await ensureLocalNode(client, local, signal);
    const give = (podCIDRs: string[]) =>
      client.patch(resources.ciliumNodes, "node-1", {
        type: "merge",
        patch: { spec: { ipam: { podCIDRs } } },
        signal,
      });
    await give(["10.244.0.0/24"]);
    await assert.rejects(discovery.waitForPodCidrs([4, 6], AbortSignal.timeout(100)), {
      code: "pod_cidr_missing",
      message: "CiliumNode node-1 has no IPv6 pod CIDR: is the operator running?",
    });
    const waiting = discovery.waitForPodCidrs([4, 6], signal);
    await give(["10.244.0.0/24", "fd00:10:244::/64"]);
    assert.deepEqual((await waiting).podCidrs.map(String), ["10.244.0.0/24", "fd00:10:244::/64"]);
  }));

test("a node that leaves the cluster leaves the table", () =>
  withCluster(async (api, signal) => {
    const { client } = api;
    const discovery = new NodeDiscovery({ client: api.connect(), localName: "node-2" });
    await ensureLocalNode(client, local, signal);
    await discovery.start(signal);
    assert.deepEqual(
      [...discovery.table.values()].map(({ name, local: isLocal }) => [name, isLocal]),
      [["node-1", false]],
    );
    await client.delete(resources.ciliumNodes, "node-1", { signal });
    await eventually(async () => discovery.table.size === 0);
  }));
