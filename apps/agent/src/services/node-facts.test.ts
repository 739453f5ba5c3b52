import assert from "node:assert/strict";
import { test } from "node:test";
import { type Node as KubeNode, objectKey } from "@tsilium/kube";
import { Address, Prefix } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import { Table } from "@tsilium/tables";
import { endpointSliceTable } from "../node/watches.ts";
import { NodeFactsView } from "./node-facts.ts";

function setUp() {
  const sources = {
    name: "node-1",
    ownNode: new Table<KubeNode>({ name: "own", key: objectKey }),
    ownAddresses: new Table<Address>({ name: "addresses", key: String }),
    nodes: new Table<Node>({ name: "nodes", key: ({ name }) => name }),
    slices: endpointSliceTable(),
  };
  let staleness = 0;
  const view = new NodeFactsView(sources, () => void staleness++);
  return { ...sources, view, staleness: () => staleness };
}

const otherNode: Node = {
  name: "node-2",
  local: false,
  ipv4: Address.parse("172.18.0.3"),
  ipv6: undefined,
  routerIpv4: undefined,
  routerIpv6: undefined,
  podCidrs: [Prefix.parse("10.244.1.0/24")],
  labels: {},
};

test("the node's own zone and addresses are of another kind than those of the cluster", () => {
  const { view, ownNode, ownAddresses, nodes, slices, staleness } = setUp();
  assert.equal(view.refresh(), undefined);
  ownAddresses.upsert(Address.parse("172.18.0.2"));
  ownNode.upsert({
    metadata: { name: "node-1", labels: { "topology.kubernetes.io/zone": "a", tier: "gold" } },
  });
  assert.equal(staleness(), 1);
  assert.equal(view.refresh(), "own");
  nodes.upsert(otherNode);
  slices.upsert({
    metadata: {
      name: "kubernetes",
      namespace: "default",
      labels: { "kubernetes.io/service-name": "kubernetes" },
    },
    addressType: "IPv4",
    endpoints: [{ addresses: ["172.18.0.1"] }],
    ports: [{ port: 6443 }],
  });
  assert.equal(view.refresh(), "cluster");
  const { addresses, clusterAddresses, podCidrs, apiServers, ...rest } = view.current;
  assert.deepEqual(rest, {
    name: "node-1",
    zone: "a",
    labels: { "topology.kubernetes.io/zone": "a", tier: "gold" },
  });
  assert.deepEqual(
    [addresses.map(String), [...clusterAddresses], podCidrs.map(String)],
    [["172.18.0.2"], ["172.18.0.2", "172.18.0.3"], ["10.244.1.0/24"]],
  );
  assert.deepEqual(
    apiServers.map(({ address, port }) => `${address} ${port}`),
    ["172.18.0.1 6443"],
  );
});

test("what does not matter here is no change: a taint, another service's slice", () => {
  const { view, ownNode, slices, staleness } = setUp();
  const metadata = { name: "node-1", labels: { tier: "gold" } };
  ownNode.upsert({ metadata });
  assert.equal(view.refresh(), "own");
  ownNode.upsert({ metadata, spec: { taints: [{ key: "x", effect: "NoSchedule" }] } });
  assert.equal(view.refresh(), undefined);
  const before = staleness();
  slices.upsert({
    metadata: { name: "db-1", namespace: "shop", labels: { "kubernetes.io/service-name": "db" } },
    addressType: "IPv4",
  });
  assert.equal(staleness(), before);
});
