// What load balancers hear of a node's endpoints.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decideService } from "./decide/service.ts";
import type { DecidedService } from "./model.ts";
import { healthAnswer } from "./health.ts";
import { context, endpoint, notReady, service, slice, terminating } from "./testing/build.ts";

const balanced = service({
  spec: {
    type: "LoadBalancer",
    externalTrafficPolicy: "Local",
    healthCheckNodePort: 31_000,
    clusterIPs: ["10.96.0.10", "fd00:10:96::a"],
    ipFamilies: ["IPv4", "IPv6"],
    ports: [
      { name: "a", port: 80, nodePort: 30_080 },
      { name: "b", port: 443, nodePort: 30_443 },
    ],
  },
});
const ports = [
  { name: "a", port: 8080 },
  { name: "b", port: 8443 },
];

function checked(decided: DecidedService | undefined) {
  assert.ok(decided?.healthCheck);
  return { ...decided, healthCheck: decided.healthCheck };
}

test("a pod counts once, whatever ports and families it has, and only if it is ready and here", () => {
  const decided = decideService(
    balanced,
    [
      slice(
        [
          "10.244.1.1",
          "10.244.1.2",
          "10.244.2.1",
          endpoint("10.244.1.3", notReady),
          endpoint("10.244.1.4", terminating),
        ],
        { ports },
      ),
      slice(["fd00:10:244:1::1", "fd00:10:244:1::2"], { ports }),
    ],
    context,
  );
  assert.deepEqual(decided?.healthCheck, { port: 31_000, localEndpoints: 2 });
});

test("terminating endpoints serve, but a load balancer should send new clients elsewhere (KEP-1669)", () => {
  const decided = decideService(
    balanced,
    [slice([endpoint("10.244.1.1", terminating)], { ports })],
    context,
  );
  assert.equal(decided?.healthCheck?.localEndpoints, 0);
  const check = checked(decided);
  assert.deepEqual(healthAnswer(check, true), {
    status: 503,
    headers: {
      "Content-Type": "application/json",
      "X-Content-Type-Options": "nosniff",
      "X-Load-Balancing-Endpoint-Weight": "0",
    },
    body: {
      service: { namespace: "shop", name: "web" },
      localEndpoints: 0,
      serviceProxyHealthy: true,
    },
  });
});

test("200 needs an endpoint, and services that are up to date", () => {
  const decided = decideService(balanced, [slice(["10.244.1.1"], { ports })], context);
  const check = checked(decided);
  assert.equal(healthAnswer(check, true).status, 200);
  assert.equal(healthAnswer(check, false).status, 503);
});

test("only load balancers with externalTrafficPolicy Local are asked", () => {
  for (const change of [
    { type: "NodePort" as const },
    { externalTrafficPolicy: "Cluster" as const },
  ]) {
    const other = { ...balanced, spec: { ...balanced.spec, ...change } };
    assert.equal(decideService(other, [], context)?.healthCheck, undefined);
  }
});
