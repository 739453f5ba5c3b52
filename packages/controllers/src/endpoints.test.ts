// core/v1 Endpoints: made from slices where a service has a selector, made into slices where it has none.
import { strict as assert } from "node:assert";
import { after, before, test } from "node:test";
import {
  type KubeClient,
  KubeError,
  resources,
  type EndpointSlice,
  type Pod,
  type Service,
} from "@tsilium/kube";
import { endpointsFor } from "./endpoint-subsets.ts";
import { eventually, startCluster, type TestCluster } from "./testing/cluster.ts";

const namespace = "default";

function service(name: string, spec: Partial<Service["spec"]> = {}): Service {
  return {
    metadata: { name, namespace, labels: { color: "blue" } },
    spec: { ports: [{ port: 80 }], ...spec },
  };
}

type Row = {
  readonly ips: readonly string[];
  readonly port?: number;
  readonly ready?: boolean;
  readonly terminating?: boolean;
};

const slice = ({ ips, port = 80, ready = true, terminating = false }: Row): EndpointSlice => ({
  metadata: {},
  addressType: ips[0]?.includes(":") ? "IPv6" : "IPv4",
  endpoints: ips.map((ip) => ({
    addresses: [ip],
    conditions: { ready, serving: ready, terminating },
    nodeName: "n",
  })),
  ports: [{ name: "", port, protocol: "TCP" }],
});

const text = (slices: readonly Row[], spec: Partial<Service["spec"]> = {}) =>
  (endpointsFor(service("s", spec), slices.map(slice)).subsets ?? []).map(
    ({ addresses = [], notReadyAddresses = [], ports = [] }) =>
      `${addresses.map(({ ip }) => ip).join(",")}|${notReadyAddresses.map(({ ip }) => ip).join(",")}|${ports.map(({ port }) => port).join(",")}`,
  );

test("slices with the same ports are one subset, in the order of their addresses", () => {
  assert.deepEqual(
    text([{ ips: ["10.0.0.3"] }, { ips: ["10.0.0.1"] }, { ips: ["10.0.0.2"], ready: false }]),
    ["10.0.0.1,10.0.0.3|10.0.0.2|80"],
  );
  assert.deepEqual(text([{ ips: ["10.0.0.3"] }, { ips: ["10.0.0.1"], port: 81 }]), [
    "10.0.0.3||80",
    "10.0.0.1||81",
  ]);
});

test("the first family alone is in it, and nothing that ends", () => {
  const both = [{ ips: ["10.0.0.1"] }, { ips: ["fd00::1"] }];
  assert.deepEqual(text(both, { ipFamilies: ["IPv4", "IPv6"] }), ["10.0.0.1||80"]);
  assert.deepEqual(text(both, { ipFamilies: ["IPv6", "IPv4"] }), ["fd00::1||80"]);
  assert.deepEqual(text([{ ips: ["10.0.0.1"], ready: false, terminating: true }]), []);
  // publishNotReadyAddresses: such ones are ready.
  assert.deepEqual(text([{ ips: ["10.0.0.1"], terminating: true }]), ["10.0.0.1||80"]);
});

test("of more than a thousand addresses the ready ones stay, and the object says so", () => {
  const many = (net: number) =>
    Array.from({ length: 600 }, (_, at) => `10.${net}.${at >> 8}.${at & 255}`);
  const made = endpointsFor(service("s"), [
    slice({ ips: many(1), ready: false }),
    slice({ ips: many(2) }),
  ]);
  const [subset] = made.subsets ?? [];
  assert.deepEqual([subset?.addresses?.length, subset?.notReadyAddresses?.length], [600, 400]);
  assert.deepEqual(made.metadata.annotations, {
    "endpoints.kubernetes.io/over-capacity": "truncated",
  });
});

let cluster: TestCluster;
let client: KubeClient;
let signal: AbortSignal;

before(async () => {
  cluster = await startCluster({ apiEndpoints: [{ address: "172.18.0.1", port: 6443 }] });
  ({ client, signal } = cluster);
});
after(async () => {
  await cluster[Symbol.asyncDispose]();
});

const endpointsOf = (name: string) => client.get(resources.endpoints, name, { namespace, signal });

/** The same, undefined while there are none. */
async function knownEndpoints(name: string) {
  return endpointsOf(name).catch((error: unknown) => {
    if (KubeError.isNotFound(error)) return undefined;
    throw error;
  });
}

test("a service's Endpoints follow the pods behind it, and go with it", async () => {
  const labels = { app: "web" };
  const pod: Pod = {
    metadata: { name: "web", namespace, labels },
    spec: { nodeName: "n", containers: [{ name: "c", image: "i" }] },
  };
  await client.create(resources.services, service("web", { selector: labels }), { signal });
  await client.create(resources.pods, pod, { signal });
  const found = await eventually(async () => {
    const now = await knownEndpoints("web");
    return now?.subsets?.[0]?.addresses ? now : undefined;
  });
  const [address] = found.subsets?.[0]?.addresses ?? [];
  const { status } = await client.get(resources.pods, "web", { namespace, signal });
  assert.equal(address?.ip, status?.podIP);
  assert.equal(address?.nodeName, "n");
  assert.equal(address?.targetRef?.name, "web");
  assert.deepEqual(found.subsets?.[0]?.ports, [{ port: 80, protocol: "TCP" }]);
  assert.deepEqual(found.metadata.labels, {
    color: "blue",
    "endpoints.kubernetes.io/managed-by": "endpoint-controller",
  });
  const notReady = { conditions: [{ type: "Ready", status: "False" }] };
  await client.patchStatus(resources.pods, "web", { namespace, status: notReady, signal });
  await eventually(async () => (await endpointsOf("web")).subsets?.[0]?.notReadyAddresses);
  await client.delete(resources.services, "web", { namespace, signal });
  await eventually(async () => {
    const { items } = await client.list(resources.endpoints, { namespace, signal });
    return items.every(({ metadata }) => metadata.name !== "web") ? true : undefined;
  });
});

test("Endpoints that somebody makes for a service without a selector become slices, and take them along", async () => {
  await client.create(resources.services, service("db"), { signal });
  const subsets = [
    { addresses: [{ ip: "198.51.100.1" }, { ip: "2001:db8::1" }], ports: [{ port: 5432 }] },
  ];
  await client.create(
    resources.endpoints,
    { metadata: { name: "db", namespace }, subsets },
    { signal },
  );
  const labelSelector = "kubernetes.io/service-name=db";
  const slicesNow = async () =>
    (await client.list(resources.endpointSlices, { namespace, labelSelector, signal })).items;
  const settled = (count: number) =>
    eventually(async () => ((await slicesNow()).length === count ? slicesNow() : undefined));
  const made = await settled(2);
  assert.deepEqual(made.map((each) => each.endpoints?.[0]?.addresses[0]).toSorted(), [
    "198.51.100.1",
    "2001:db8::1",
  ]);
  assert.deepEqual(made[0]?.ports, [{ name: "", port: 5432, protocol: "TCP" }]);
  await client.delete(resources.endpoints, "db", { namespace, signal });
  await settled(0);
});

test("the service kubernetes has Endpoints that are not mirrored", async () => {
  const { subsets, metadata } = await endpointsOf("kubernetes");
  assert.deepEqual(subsets, [
    { addresses: [{ ip: "172.18.0.1" }], ports: [{ name: "https", port: 6443, protocol: "TCP" }] },
  ]);
  assert.equal(metadata.labels?.["endpointslice.kubernetes.io/skip-mirror"], "true");
});
