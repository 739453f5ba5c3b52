import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import type { Identity } from "@tsilium/identity/model.ts";
import type { IpcacheRow } from "@tsilium/ipcache/model.ts";
import { type Node as KubeNode, objectKey } from "@tsilium/kube";
import { Address, Labels, Mac, Prefix } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import { Table } from "@tsilium/tables";
import { podTable } from "../../node/watches.ts";
import type { FeedItem } from "./model.ts";
import { feedSources } from "./sources.ts";

const labels = Labels.parse(["k8s:app=web", "k8s:io.kubernetes.pod.namespace=shop"]);
const endpoint: Endpoint = {
  id: 7,
  state: "ready",
  containerId: "c",
  containerInterface: "eth0",
  network: "tsilium",
  interfaceName: "lxc1",
  ifindex: 12,
  netns: "/run/netns/x",
  netnsCookie: 99n,
  mac: Mac.parse("02:00:00:00:00:01"),
  nodeMac: Mac.parse("02:00:00:00:00:02"),
  ipv4: Address.parse("10.244.0.5"),
  ipv6: undefined,
  namespace: "shop",
  podName: "web-1",
  podUid: "u",
  labels,
  identity: 4711,
  createdAt: "",
  attachedAt: undefined,
};

function world() {
  const devices = [{ index: 2, name: "eth0" }];
  const listeners = new Set<() => void>();
  const tables = {
    self: { nodeName: "node-1", clusterName: "default", netnsCookie: 1n, dualStack: true },
    ownNode: new Table<KubeNode>({ name: "own-node", key: objectKey }),
    devices: () => devices,
    onDevices: (listener: () => void) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    nodes: new Table<Node>({ name: "nodes", key: ({ name }) => name }),
    identities: new Table<Identity>({ name: "identities", key: ({ id }) => String(id) }),
    ipcache: new Table<IpcacheRow>({ name: "ipcache", key: ({ prefix }) => String(prefix) }),
    endpoints: new Table<Endpoint>({
      name: "endpoints",
      key: ({ id }) => String(id),
      indexes: { pod: ({ namespace, podName }) => [`${namespace}/${podName}`] },
    }),
    pods: podTable(),
    frontends: {
      items: () => [],
      follow: () => ({ [Symbol.dispose]: () => undefined }),
    },
  };
  const sources = feedSources(tables);
  const said: FeedItem[] = [];
  const following = new DisposableStack();
  for (const source of sources)
    following.use(source.follow((item) => void said.push(structuredClone(item))));
  return {
    tables,
    addDevice: (index: number, name: string) => {
      devices.push({ index, name });
      for (const listener of listeners) listener();
    },
    take: () => said.splice(0),
    state: () => sources.flatMap((source) => [...source.items()]),
    [Symbol.dispose]: () => following[Symbol.dispose](),
  };
}

test("a device that the underlay gets later is told of", () => {
  using it = world();
  it.addDevice(9, "ens6");
  assert.deepEqual(it.take(), [
    { kind: "interface", index: 2, name: "eth0" },
    { kind: "interface", index: 9, name: "ens6" },
  ]);
});

test("all there is is told in an order in which each thing stands on what came before", () => {
  using it = world();
  const { tables } = it;
  tables.ownNode.upsert({ metadata: { name: "node-1", labels: { zone: "b", arch: "amd64" } } });
  tables.nodes.upsert({
    name: "node-2",
    local: false,
    ipv4: Address.parse("172.18.0.3"),
    ipv6: undefined,
    routerIpv4: undefined,
    routerIpv6: undefined,
    podCidrs: [],
    labels: {},
  });
  tables.identities.upsert({ id: 4711, labels, reserved: false });
  tables.ipcache.upsert({
    prefix: Prefix.parse("10.244.1.9/32"),
    source: "custom-resource",
    owner: "ciliumendpoint/shop/cart",
    identity: 4712,
    hostIp: Address.parse("172.18.0.3"),
    namespace: "shop",
    podName: "cart",
    claims: 1,
  });
  tables.endpoints.upsert(endpoint);
  assert.deepEqual(it.state(), [
    {
      kind: "self",
      nodeName: "node-1",
      clusterName: "default",
      netnsCookie: 1n,
      dualStack: true,
      nodeLabels: ["arch=amd64", "zone=b"],
    },
    { kind: "interface", index: 2, name: "eth0" },
    { kind: "node", name: "node-2", local: false, ipv4: "172.18.0.3", ipv6: undefined },
    {
      kind: "identity",
      id: 4711,
      labels: ["k8s:app=web", "k8s:io.kubernetes.pod.namespace=shop"],
    },
    {
      kind: "address",
      prefix: "10.244.1.9/32",
      identity: 4712,
      hostIp: "172.18.0.3",
      namespace: "shop",
      podName: "cart",
    },
    {
      kind: "endpoint",
      id: 7,
      identity: 4711,
      labels: ["k8s:app=web", "k8s:io.kubernetes.pod.namespace=shop"],
      namespace: "shop",
      podName: "web-1",
      workloads: [],
      ipv4: "10.244.0.5",
      ipv6: undefined,
      ifindex: 12,
      interfaceName: "lxc1",
      netnsCookie: 99n,
    },
  ]);
});

test("an endpoint whose pod is heard of after it is told again, with its workload, and not for each change of status", () => {
  using it = world();
  it.tables.endpoints.upsert(endpoint);
  it.take();
  const pod = {
    metadata: {
      name: "web-1",
      namespace: "shop",
      ownerReferences: [
        { apiVersion: "apps/v1", kind: "DaemonSet", name: "web", uid: "1", controller: true },
      ],
    },
    spec: { containers: [] },
  };
  it.tables.pods.upsert(pod);
  const [item, ...more] = it.take();
  assert.deepEqual(item?.kind === "endpoint" && item.workloads, [
    { name: "web", kind: "DaemonSet" },
  ]);
  assert.deepEqual(more, []);
  it.tables.pods.upsert({ ...pod, status: { phase: "Running" } });
  assert.deepEqual(it.take(), []);
});

test("what goes is told by what it was known as", () => {
  using it = world();
  const { tables } = it;
  tables.endpoints.upsert(endpoint);
  tables.identities.upsert({ id: 4711, labels, reserved: false });
  it.take();
  tables.endpoints.delete("7");
  tables.identities.delete("4711");
  assert.deepEqual(it.take(), [
    { kind: "endpoint-gone", id: 7 },
    { kind: "identity-gone", id: 4711 },
  ]);
});
