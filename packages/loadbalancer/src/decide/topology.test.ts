// Hints of endpoints: heeded only when all ready endpoints have them and some are for us.
import assert from "node:assert/strict";
import { test } from "node:test";
import { contextWith, endpoint, notReady, service, slice, terminating } from "../testing/build.ts";
import { setText } from "../testing/text.ts";
import { decideService } from "./service.ts";

const zones = (...names: string[]) => ({
  hints: { forZones: names.map((name) => ({ name })) },
});
const nodes = (...names: string[]) => ({
  hints: { forNodes: names.map((name) => ({ name })), forZones: [{ name: "a" }, { name: "b" }] },
});

type Case = {
  readonly name: string;
  readonly endpoints: readonly ReturnType<typeof endpoint>[];
  readonly settings?: { readonly serviceTopology: boolean };
  readonly facts?: { readonly zone: string | undefined };
  readonly annotations?: Readonly<Record<string, string>>;
  readonly policy?: "Local";
  readonly chosen: string;
};

const perZone = [
  endpoint("10.244.1.1", zones("a")),
  endpoint("10.244.2.1", zones("b")),
  endpoint("10.244.3.1", zones("a", "c")),
];
const all = "[10.244.1.1:8080 10.244.2.1:8080 10.244.3.1:8080]";

const cases: readonly Case[] = [
  {
    name: "those hinted for the node's zone",
    endpoints: perZone,
    chosen: "[10.244.1.1:8080 10.244.3.1:8080]",
  },
  {
    name: "all, when hints are off",
    endpoints: perZone,
    settings: { serviceTopology: false },
    chosen: all,
  },
  {
    name: "all, when the node is in no zone",
    endpoints: perZone,
    facts: { zone: undefined },
    chosen: all,
  },
  {
    name: "all, when none is for the node's zone",
    endpoints: perZone,
    facts: { zone: "z" },
    chosen: all,
  },
  {
    name: "all, when the service says so",
    endpoints: perZone,
    annotations: { "service.kubernetes.io/topology-mode": "Disabled" },
    chosen: all,
  },
  {
    name: "all, when a ready one has no hint",
    endpoints: [...perZone.slice(0, 2), endpoint("10.244.3.1")],
    chosen: all,
  },
  {
    name: "an endpoint that is not ready needs no hint",
    endpoints: [...perZone.slice(0, 2), endpoint("10.244.3.1", notReady)],
    chosen: "[10.244.1.1:8080]",
  },
  {
    name: "all of other zones, when those of ours are not ready",
    endpoints: [endpoint("10.244.1.1", { ...zones("a"), ...notReady }), ...perZone.slice(1, 2)],
    chosen: "[10.244.2.1:8080]",
  },
  {
    name: "hints of terminating endpoints do not count",
    endpoints: [
      endpoint("10.244.1.1", { ...zones("b"), ...terminating }),
      endpoint("10.244.2.1", { ...zones("a"), ...terminating }),
    ],
    chosen: "[10.244.1.1:8080 10.244.2.1:8080]",
  },
  {
    name: "those hinted for the node, before those for its zone",
    endpoints: [endpoint("10.244.1.1", nodes("node-1")), endpoint("10.244.2.1", nodes("node-2"))],
    chosen: "[10.244.1.1:8080]",
  },
  {
    name: "those for the zone, when none is for the node",
    endpoints: [
      endpoint("10.244.2.1", nodes("node-2")),
      endpoint("10.244.3.1", {
        hints: { forNodes: [{ name: "node-3" }], forZones: [{ name: "b" }] },
      }),
    ],
    chosen: "[10.244.2.1:8080]",
  },
  {
    name: "those for the zone, when not all are for some node",
    endpoints: [endpoint("10.244.1.1", nodes("node-1")), endpoint("10.244.3.1", zones("a"))],
    chosen: "[10.244.1.1:8080 10.244.3.1:8080]",
  },
  {
    name: "internalTrafficPolicy Local does not look at hints",
    endpoints: [endpoint("10.244.1.1", zones("b")), endpoint("10.244.3.1", zones("a"))],
    policy: "Local",
    chosen: "[10.244.1.1:8080]",
  },
];

for (const { name, endpoints, settings, facts, annotations, policy, chosen } of cases)
  test(name, () => {
    const decided = decideService(
      service({
        ...(annotations ? { annotations } : {}),
        spec: {
          trafficDistribution: "PreferClose",
          ...(policy ? { internalTrafficPolicy: policy } : {}),
        },
      }),
      [slice(endpoints)],
      contextWith({ ...(settings ? { settings } : {}), ...(facts ? { facts } : {}) }),
    );
    const [frontend] = decided?.frontends ?? [];
    assert.equal(frontend?.internal && setText(frontend.internal), chosen);
    assert.equal(frontend?.pool?.backends.length, endpoints.length, "flows keep what they have");
  });
