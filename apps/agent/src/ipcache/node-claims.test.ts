import assert from "node:assert/strict";
import { test } from "node:test";
import { LocalIdentities, reservedIdentities } from "@tsilium/identity";
import type { Identity } from "@tsilium/identity/model.ts";
import { Ipcache } from "@tsilium/ipcache";
import type { Node as KubeNode } from "@tsilium/kube";
import { Address, Prefix } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import { Table } from "@tsilium/tables";
import type { NodeFacts } from "../node/facts.ts";
import { nodeLabelTable } from "../node/watches.ts";
import { ClaimKeeper } from "./keeper.ts";
import { NodeClaims } from "./node-claims.ts";

const facts: NodeFacts = {
  name: "node-1",
  ipv4: Address.parse("172.18.0.2"),
  ipv6: undefined,
  podCidrs: [Prefix.parse("10.244.0.0/24")],
  routerIpv4: Address.parse("10.244.0.1"),
  routerIpv6: undefined,
};
const remote: Node = {
  name: "node-2",
  local: false,
  ipv4: Address.parse("172.18.0.3"),
  ipv6: undefined,
  routerIpv4: Address.parse("10.244.1.1"),
  routerIpv6: undefined,
  podCidrs: [],
  labels: {},
};
const kubeNode = (labels: Record<string, string>): KubeNode => ({
  metadata: { name: "node-2", labels },
});

/** Tables that are not known to be complete until `hear` is called. */
function setUpEarly(options: { labels?: boolean } = {}) {
  const identities = new Table<Identity>({
    name: "identities",
    key: ({ id }) => String(id),
    equals: (a, b) => a.labels.equals(b.labels),
  });
  for (const identity of reservedIdentities) identities.upsert(identity);
  const ipcache = new Ipcache();
  const nodes = new Table<Node>({ name: "nodes", key: ({ name }) => name });
  const apiServer = new Table<Address>({ name: "api-server", key: String });
  const nodeLabels = options.labels ? nodeLabelTable() : undefined;
  const { promise: heard, resolve } = Promise.withResolvers<void>();
  const claims = new NodeClaims({
    claims: new ClaimKeeper(ipcache),
    facts,
    dualStack: true,
    nodes,
    apiServer,
    nodeLabels,
    identities,
    localIdentities: new LocalIdentities(identities),
    heard,
  });
  claims.start();
  const hear = async () => {
    resolve();
    await heard;
  };
  const labelsOf = (id: number) => identities.get(String(id))?.labels.toString() ?? "nobody";
  /** "address identity: labels", and the numbers of local identities by their scope only. */
  const show = () =>
    [...ipcache.table.values()]
      .map(({ prefix, identity }) => {
        const number = identity > 65535 ? `scope ${identity >>> 24}` : identity;
        return `${prefix.address} ${number} ${labelsOf(identity)}`;
      })
      .sort();
  const local = () => [...identities.values()].filter(({ id }) => id > 65535).length;
  return { nodes, apiServer, nodeLabels, ipcache, identities, show, local, hear };
}

async function setUp(options: { labels?: boolean } = {}) {
  const parts = setUpEarly(options);
  await parts.hear();
  return parts;
}

const host = ["10.244.0.1 1 reserved:host", "172.18.0.2 1 reserved:host"];

test("a node is a remote node, and the API server's node is the API server too", async () => {
  const { nodes, apiServer, show } = await setUp();
  nodes.upsert(remote);
  assert.deepEqual(show(), [
    host[0],
    "10.244.1.1 6 reserved:remote-node",
    host[1],
    "172.18.0.3 6 reserved:remote-node",
  ]);
  apiServer.upsert(Address.parse("172.18.0.3"));
  assert.deepEqual(show(), [
    host[0],
    "10.244.1.1 7 reserved:kube-apiserver,reserved:remote-node",
    host[1],
    "172.18.0.3 7 reserved:kube-apiserver,reserved:remote-node",
  ]);
  apiServer.delete("172.18.0.3");
  assert.equal(show()[3], "172.18.0.3 6 reserved:remote-node");
});

test("an API server on this node is the host, which is then the API server as well", async () => {
  const { apiServer, show } = await setUp();
  apiServer.upsert(Address.parse("172.18.0.2"));
  const both = "1 reserved:host,reserved:kube-apiserver";
  assert.deepEqual(show(), [`10.244.0.1 ${both}`, `172.18.0.2 ${both}`]);
  apiServer.delete("172.18.0.2");
  assert.deepEqual(show(), host);
});

test("an API server outside the cluster has an identity of this node's own, until a node turns out to be it", async () => {
  const { nodes, apiServer, show, local } = await setUp();
  apiServer.upsert(Address.parse("172.18.0.3"));
  assert.deepEqual(show(), [
    ...host,
    "172.18.0.3 scope 1 reserved:kube-apiserver,reserved:world-ipv4",
  ]);
  nodes.upsert(remote);
  assert.equal(show()[3], "172.18.0.3 7 reserved:kube-apiserver,reserved:remote-node");
  assert.equal(local(), 0);
  nodes.delete("node-2");
  assert.equal(show()[2], "172.18.0.3 scope 1 reserved:kube-apiserver,reserved:world-ipv4");
  apiServer.delete("172.18.0.3");
  assert.deepEqual([show(), local()], [host, 0]);
});

test("a pod that is listed as the API server stays the pod it is", async () => {
  const { apiServer, ipcache, show } = await setUp();
  ipcache.claim({
    prefix: Prefix.parse("10.244.1.9/32"),
    source: "custom-resource",
    owner: "ciliumendpoint/shop/cart",
    identity: 300,
    hostIp: undefined,
  });
  apiServer.upsert(Address.parse("10.244.1.9"));
  assert.ok(show().includes("10.244.1.9 300 nobody"));
});

test("with node labels every node is what its labels say, and follows them", async () => {
  const { nodes, nodeLabels, apiServer, show, local } = await setUp({ labels: true });
  nodes.upsert(remote);
  assert.equal(show()[3], "172.18.0.3 scope 2 reserved:remote-node");
  nodeLabels?.upsert(kubeNode({ tier: "gold" }));
  assert.equal(show()[3], "172.18.0.3 scope 2 reserved:remote-node,node:tier=gold");
  apiServer.upsert(Address.parse("172.18.0.3"));
  nodeLabels?.upsert(kubeNode({ tier: "iron" }));
  assert.equal(
    show()[3],
    "172.18.0.3 scope 2 reserved:kube-apiserver,reserved:remote-node,node:tier=iron",
  );
  assert.equal(local(), 1);
  nodes.delete("node-2");
  apiServer.delete("172.18.0.3");
  assert.deepEqual([show(), local()], [host, 0]);
});

test("CVE-2025-30163: a node's labels are of a source that no pod's labels have", async () => {
  const { nodes, nodeLabels, identities } = await setUp({ labels: true });
  nodes.upsert(remote);
  nodeLabels?.upsert(kubeNode({ app: "web", "io.kubernetes.pod.namespace": "shop" }));
  const sources = [...identities.values()]
    .filter(({ id }) => id > 65535)
    .flatMap(({ labels }) => [...labels].map(({ source, key }) => `${source}:${key}`));
  assert.deepEqual(sources, [
    "node:app",
    "node:io.kubernetes.pod.namespace",
    "reserved:remote-node",
  ]);
});

test("#20243: after a restart no node is told of before all that makes its identity has been heard", async () => {
  const { nodes, apiServer, ipcache, show, hear } = setUpEarly();
  const told: string[] = [];
  ipcache.table.subscribe(({ row }) => void told.push(`${row.prefix.address} ${row.identity}`));
  nodes.upsert(remote);
  apiServer.upsert(Address.parse("172.18.0.3"));
  assert.deepEqual(show(), host);
  await hear();
  assert.deepEqual(told, ["172.18.0.3 7", "10.244.1.1 7"]);
});
