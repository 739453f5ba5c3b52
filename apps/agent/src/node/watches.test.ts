// Against a real API server: what these tests are about is what is left of what it tells.
import assert from "node:assert/strict";
import { test } from "node:test";
import { EndpointPublisher } from "@tsilium/endpoint";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import { Ipcache, ownerOf } from "@tsilium/ipcache";
import { type CiliumEndpoint, resources } from "@tsilium/kube";
import { Address } from "@tsilium/net";
import { createLog } from "@tsilium/runtime";
import { Table } from "@tsilium/tables";
import { startTestApi, type TestApi } from "@tsilium/testkit/api-server.ts";
import { Barrier } from "../barrier.ts";
import { ClaimKeeper } from "../ipcache/keeper.ts";
import { NamedPorts } from "../policy/inputs/named-ports.ts";
import { Watches } from "../watches.ts";
import {
  endpointSliceTable,
  followCiliumEndpoints,
  followNodeLabels,
  followPods,
  followServices,
  nodeLabelTable,
  podTable,
  serviceTable,
} from "./watches.ts";

const here = Address.parse("172.18.0.2");
const at = { namespace: "default" };

async function withApi(
  body: (parts: { api: TestApi; watches: Watches; signal: AbortSignal }) => Promise<void>,
): Promise<void> {
  await using api = await startTestApi();
  const stop = new AbortController();
  const watches = new Watches(api.connect(), createLog({ level: "fatal", base: {} }));
  try {
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(20_000)]);
    await body({ api, watches, signal });
  } finally {
    stop.abort(new Error("the test is over"));
  }
}

async function caughtUp(watches: Watches, object: { metadata: { resourceVersion?: string } }) {
  const version = BigInt(object.metadata.resourceVersion ?? "");
  assert.deepEqual(await new Barrier(watches, []).pass(version, AbortSignal.timeout(5_000)), []);
}

const remotePod = (uid: string, node = "172.18.0.3"): CiliumEndpoint => ({
  metadata: {
    name: "cart",
    ...at,
    ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: "cart", uid }],
  },
  status: {
    identity: { id: 300 },
    networking: { addressing: [{ ipv4: "10.244.1.9" }], node },
    "named-ports": [{ name: "http", port: 80, protocol: "TCP" }],
  },
});

test("another node's pod is known by its address, its owner and its named ports, as long as it is there", () =>
  withApi(async ({ api: { client }, watches, signal }) => {
    const ipcache = new Ipcache();
    const namedPorts = new NamedPorts();
    const endpoints = new Table<Endpoint>({
      name: "endpoints",
      key: ({ id }) => String(id),
      indexes: { pod: () => [] },
    });
    const publisher = new EndpointPublisher({
      client,
      endpoints,
      pods: podTable(),
      nodeAddress: here,
    });
    await followCiliumEndpoints({
      watches,
      claims: new ClaimKeeper(ipcache),
      namedPorts,
      publisher,
      localAddresses: [here],
      signal,
    });
    const show = () =>
      [...ipcache.table.values()].map((row) => `${row.prefix} ${row.identity} ${ownerOf(row)}`);
    await caughtUp(
      watches,
      await client.create(resources.ciliumEndpoints, remotePod("uid-1"), { signal }),
    );
    assert.deepEqual(show(), ["10.244.1.9/32 300 default/cart/uid-1"]);
    assert.deepEqual(namedPorts.of(300), [{ name: "http", protocol: 6, port: 80 }]);

    // The next pod of that name, before its CiliumEndpoint was removed: same address, same identity.
    const next = { ...remotePod("uid-2"), status: { ...remotePod("").status, "named-ports": [] } };
    await caughtUp(
      watches,
      await client.patch(resources.ciliumEndpoints, "cart", {
        ...at,
        type: "merge",
        patch: next,
        signal,
      }),
    );
    assert.deepEqual(show(), ["10.244.1.9/32 300 default/cart/uid-2"]);
    assert.deepEqual(namedPorts.of(300), []);

    const moved = remotePod("uid-3", String(here));
    await caughtUp(
      watches,
      await client.patch(resources.ciliumEndpoints, "cart", {
        ...at,
        type: "merge",
        patch: moved,
        signal,
      }),
    );
    assert.deepEqual([show(), namedPorts.of(300)], [[], []]);
  }));

test("of pods, services, slices and nodes what the agent looks at is kept, and not much more", () =>
  withApi(async ({ api: { client }, watches, signal }) => {
    const pods = podTable();
    const services = serviceTable();
    const slices = endpointSliceTable();
    const nodes = nodeLabelTable();
    const annotations = { "policy.tsilium.io/enforcement": "audit" };
    await client.create(
      resources.nodes,
      { metadata: { name: "node-1", labels: { tier: "gold" } }, spec: { unschedulable: true } },
      { signal },
    );
    await client.create(
      resources.services,
      {
        metadata: {
          name: "db",
          ...at,
          annotations: { "service.cilium.io/lb-algorithm": "maglev", "example.com/note": "long" },
        },
        spec: { selector: { app: "db" }, ports: [{ port: 80 }] },
      },
      { signal },
    );
    await client.create(
      resources.endpointSlices,
      {
        metadata: { name: "db-1", ...at, labels: { "kubernetes.io/service-name": "db" } },
        addressType: "IPv4",
        endpoints: [
          {
            addresses: ["10.244.1.9"],
            conditions: { ready: false },
            nodeName: "node-1",
            hostname: "db-0",
          },
        ],
        ports: [{ port: 80, protocol: "TCP", appProtocol: "kubernetes.io/h2c" }],
      },
      { signal },
    );
    const ports = [{ name: "http", containerPort: 80 }];
    await client.create(
      resources.pods,
      {
        metadata: { name: "cart", ...at, annotations },
        spec: {
          nodeName: "node-1",
          containers: [{ name: "app", image: "x", ports }],
          initContainers: [
            { name: "proxy", image: "x", restartPolicy: "Always", ports: [{ containerPort: 1 }] },
            { name: "migrate", image: "x", ports: [{ containerPort: 2 }] },
          ],
        },
      },
      { signal },
    );
    await client.patchStatus(resources.pods, "cart", {
      ...at,
      status: {
        phase: "Running",
        podIP: "10.244.1.9",
        hostIP: "172.18.0.2",
        conditions: [
          { type: "Initialized", status: "True" },
          { type: "Ready", status: "True", reason: "because" },
        ],
      },
      signal,
    });
    await Promise.all([
      followPods(watches, pods, "node-1", signal),
      followServices(watches, { services, slices }, signal),
      followNodeLabels(watches, nodes, signal),
    ]);
    const pod = pods.get("default/cart");
    assert.deepEqual(pod?.metadata.annotations, annotations);
    assert.deepEqual(
      pod?.spec.containers.map(({ name, ...rest }) => [name, Object.keys(rest)]),
      [["app", ["ports"]]],
    );
    assert.deepEqual(
      pod?.spec.initContainers?.map(({ name }) => name),
      ["proxy"],
    );
    assert.deepEqual(pod?.status, {
      phase: "Running",
      podIP: "10.244.1.9",
      conditions: [{ type: "Ready", status: "True" }],
    });
    const service = services.get("default/db");
    assert.deepEqual(service?.metadata.annotations, { "service.cilium.io/lb-algorithm": "maglev" });
    const { clusterIP, clusterIPs, ...spec } = service?.spec ?? {};
    assert.deepEqual(clusterIPs, [clusterIP]);
    assert.deepEqual(spec, {
      type: "ClusterIP",
      selector: { app: "db" },
      ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
      sessionAffinity: "None",
      internalTrafficPolicy: "Cluster",
      ipFamilies: ["IPv4"],
    });
    assert.deepEqual(
      slices.by("service", "default/db").map(({ endpoints, ports }) => ({ endpoints, ports })),
      [
        {
          endpoints: [
            { addresses: ["10.244.1.9"], conditions: { ready: false }, nodeName: "node-1" },
          ],
          ports: [{ name: "", port: 80, protocol: "TCP" }],
        },
      ],
    );
    const { spec: nodeSpec, metadata } = nodes.get("node-1") ?? { metadata: {} };
    assert.equal(nodeSpec, undefined);
    assert.equal(metadata.labels?.["tier"], "gold");
  }));
