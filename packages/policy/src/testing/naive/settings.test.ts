// The naive evaluator's modes: enforcement, the way from one's own node, audit, and whom it names as the cause.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answer, cases } from "./xyz.ts";

const isolation = (enforcement: string, name = "p") =>
  `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: ${name}, namespace: x, annotations: {policy.tsilium.io/enforcement: ${enforcement}}}, spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}}`;
const isolateX = isolation("enforce");
const denyB = (enforcement: string) =>
  `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: q, namespace: x, annotations: {policy.tsilium.io/enforcement: ${enforcement}}}, spec: {endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}]}, {fromEntities: [host], toPorts: [{ports: [{port: "22", protocol: TCP}]}]}]}}`;
const stream = (...objects: readonly string[]) => objects.join("\n---\n");
const starting = {
  namespace: "x",
  name: "new",
  labels: {},
  addresses: ["10.244.0.99"],
  node: "node-1",
  init: true,
};
const one = { namespace: "x", name: "one", labels: {}, addresses: ["10.244.0.98"], node: "node-1" };

cases([
  {
    sentence: "enable-policy always isolates everybody in both directions",
    objects: `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: x}, spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}}`,
    settings: { enablePolicy: "always" },
    expect: [
      "x/a -> x/b tcp/80: allowed",
      "x/a -> y/a tcp/80: denied",
      "y/a -> 203.0.113.10 tcp/80: denied",
      "node-1 -> y/a tcp/80: allowed",
    ],
  },
  {
    sentence: "enable-policy never allows everything, but to and from pods that are starting",
    objects: stream(isolateX, denyB("enforce")),
    settings: { enablePolicy: "never" },
    world: { pods: [one, starting] },
    expect: [
      "203.0.113.10 -> x/one tcp/80: allowed",
      "x/one -> x/new tcp/80: denied",
      "x/new -> x/one tcp/80: denied",
    ],
  },
  {
    sentence: "a clusterwide policy can allow pods that are starting something",
    objects: `{apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: {name: p}, spec: {endpointSelector: {matchLabels: {"reserved:init": ""}}, egress: [{toEntities: [world], toPorts: [{ports: [{port: "53", protocol: UDP}]}]}]}}`,
    world: { pods: [one, starting] },
    expect: [
      "x/new -> 203.0.113.10 udp/53: allowed",
      "x/new -> 203.0.113.10 udp/54: denied",
      "x/one -> x/new udp/53: denied",
    ],
  },
  {
    sentence:
      "the own node's way in is an allow like another: a deny wins, and it can be switched off",
    objects: stream(isolateX, denyB("enforce")),
    expect: ["node-1 -> x/a tcp/80: allowed", "node-1 -> x/a tcp/22: denied"],
  },
  {
    sentence: "without allow-localhost the own node is a peer like another",
    objects: isolateX,
    settings: { allowLocalhost: false },
    expect: ["node-1 -> x/a tcp/80: denied"],
  },
  {
    sentence:
      "what only a policy in audit mode denies passes as audit, and it widens no other policy",
    objects: stream(isolateX, denyB("audit")),
    expect: ["x/b -> x/a tcp/80: audit", "x/c -> x/a tcp/80: allowed", "y/b -> x/a tcp/80: denied"],
  },
  {
    sentence: "an allow of a policy in audit mode opens nothing",
    objects: stream(
      `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: x}, spec: {podSelector: {}}}`,
      isolation("audit"),
    ),
    expect: ["x/b -> x/a tcp/80: denied"],
  },
  {
    sentence: "a default deny in audit mode is audit",
    objects: isolation("audit"),
    expect: ["x/b -> x/a tcp/80: allowed", "y/b -> x/a tcp/80: audit"],
  },
  {
    sentence: "of a pod in audit mode nothing is denied, nor in a namespace or cluster in it",
    objects: stream(isolateX, denyB("enforce")),
    settings: { audit: true },
    expect: ["x/b -> x/a tcp/80: audit", "y/b -> x/a tcp/80: audit", "x/c -> x/a tcp/80: allowed"],
  },
  {
    sentence: "a namespace in audit mode is its pods'",
    objects: isolateX,
    world: {
      namespaces: [
        { name: "x", labels: {}, annotations: { "policy.tsilium.io/enforcement": "audit" } },
      ],
      pods: [one, { ...one, name: "two", namespace: "y", addresses: ["10.244.0.97"] }],
    },
    expect: ["y/two -> x/one tcp/80: audit"],
  },
]);

test("a cause is any of the rules that match, or every policy that isolates", () => {
  const policies = stream(isolateX, denyB("enforce"), isolation("enforce", "p2"));
  assert.deepEqual(answer(policies, "x/c -> x/a tcp/80").ingress, {
    verdict: "allowed",
    rules: ["NetworkPolicy/x/p spec.ingress[0]", "NetworkPolicy/x/p2 spec.ingress[0]"],
    defaultDeny: [],
  });
  assert.deepEqual(answer(policies, "x/b -> x/a tcp/80").ingress, {
    verdict: "denied",
    rules: ["CiliumNetworkPolicy/x/q spec.ingressDeny[0]"],
    defaultDeny: [],
  });
  assert.deepEqual(answer(policies, "y/b -> x/a tcp/80").ingress, {
    verdict: "denied",
    rules: [],
    defaultDeny: ["NetworkPolicy/x/p spec", "NetworkPolicy/x/p2 spec"],
  });
});
