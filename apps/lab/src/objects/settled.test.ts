import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointSlice, Pod, Service, ServiceSpec } from "@tsilium/kube";
import { type ServiceObjects, unsettled } from "./settled.ts";

const service = (spec: Partial<ServiceSpec>, more: Partial<Service> = {}): Service => ({
  metadata: { name: "web", namespace: "n" },
  spec: { selector: { app: "web" }, ...spec },
  ...more,
});
const pod = (ip: string, ready: boolean, deleted = false): Pod => ({
  metadata: {
    name: ip,
    namespace: "n",
    labels: { app: "web" },
    ...(deleted ? { deletionTimestamp: "now" } : {}),
  },
  spec: { nodeName: "node-1", containers: [] },
  status: {
    podIPs: [{ ip }],
    conditions: [{ type: "Ready", status: ready ? "True" : "False" }],
  },
});
const slice = (...endpoints: readonly (readonly [string, boolean])[]): EndpointSlice => ({
  metadata: { name: "s", namespace: "n", labels: { "kubernetes.io/service-name": "web" } },
  addressType: "IPv4",
  endpoints: endpoints.map(([address, ready]) => ({
    addresses: [address],
    conditions: { ready },
  })),
});
const pool = { metadata: { name: "pool" } };

const cases: readonly (readonly [string, Partial<ServiceObjects>, string | undefined])[] = [
  ["a service without a slice lags", {}, "it has no endpoint slice yet"],
  ["one without pods has an empty slice", { slices: [slice()] }, undefined],
  [
    "a ready pod must be in a slice",
    { pods: [pod("1.1.1.1", true)], slices: [slice()] },
    "its endpoint slices do not show 1.1.1.1 ready yet",
  ],
  [
    "and be ready there",
    { pods: [pod("1.1.1.1", true)], slices: [slice(["1.1.1.1", false])] },
    "its endpoint slices do not show 1.1.1.1 ready yet",
  ],
  [
    "a pod that is going must not be ready there",
    { pods: [pod("1.1.1.1", true, true)], slices: [slice(["1.1.1.1", true])] },
    "its endpoint slices do not show 1.1.1.1 as not ready yet",
  ],
  [
    "a pod that is gone must be gone there",
    { slices: [slice(["1.1.1.1", true])] },
    "its endpoint slices still have 1.1.1.1",
  ],
  [
    "what agrees has settled",
    {
      pods: [pod("1.1.1.1", true), pod("1.1.1.2", false)],
      slices: [slice(["1.1.1.1", true], ["1.1.1.2", false])],
    },
    undefined,
  ],
  [
    "whoever publishes pods that are not ready has them all",
    {
      services: [service({ publishNotReadyAddresses: true })],
      pods: [pod("1.1.1.1", false)],
      slices: [slice(["1.1.1.1", true])],
    },
    undefined,
  ],
  [
    "a service of somebody else's endpoints is nobody's to settle",
    { services: [{ ...service({}), spec: {} }] },
    undefined,
  ],
  [
    "with pools, a load balancer waits for its address",
    { services: [service({ type: "LoadBalancer" })], slices: [slice()], pools: [pool] },
    "no address from a pool yet",
  ],
  [
    "or for being told that there is none",
    {
      services: [
        service(
          { type: "LoadBalancer" },
          { status: { conditions: [{ type: "cilium.io/IPAMRequestSatisfied", status: "False" }] } },
        ),
      ],
      slices: [slice()],
      pools: [pool],
    },
    undefined,
  ],
  [
    "another class of load balancer is somebody else's",
    {
      services: [service({ type: "LoadBalancer", loadBalancerClass: "example.org/other" })],
      slices: [slice()],
      pools: [pool],
    },
    undefined,
  ],
];

for (const [sentence, objects, wanted] of cases) {
  test(sentence, () => {
    const all = { services: [service({})], pods: [], slices: [], pools: [], ...objects };
    assert.equal(unsettled(all).get("n/web"), wanted);
  });
}
