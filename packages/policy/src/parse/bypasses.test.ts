// Failures of other systems that began with how a policy was read, each by its name in docs/security.md.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@tsilium/net";
import { repeat, type Random } from "@tsilium/testkit";
import { selects } from "../compile/selectors.ts";
import type { LabelSelector, Peer, Policy } from "../model.ts";
import { parsePolicy } from "./parse.ts";
import { ccnp, cnp, np, show, text } from "./testing/show.ts";

function parsed(object: unknown): Policy {
  const result = parsePolicy(object, { clusterName: "east", nodeSelectorLabels: true });
  assert.ok(result.ok, JSON.stringify(result));
  return result.policy;
}

function subjectOf(object: unknown): LabelSelector {
  return parsed(object).specs[0]?.subject.selector ?? [];
}

function peersOf(object: unknown): readonly Peer[] {
  return parsed(object).specs[0]?.rules[0]?.peers ?? [];
}

function someSelect(peers: readonly Peer[], labels: readonly string[]): boolean {
  return peers.some(
    (peer) => peer.kind === "labels" && selects(peer.selector, Labels.parse(labels)),
  );
}

test("CVE-2026-56743 an ipBlock alone is that block and no pods, whatever the cluster is called", () => {
  const block = "[{ ipBlock: { cidr: 203.0.113.0/24 } }]";
  const spec = `{ podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{ from: ${block} }], egress: [{ to: ${block} }] }`;
  for (const clusterName of ["default", "east", ""])
    assert.equal(
      show(np(spec), { clusterName }),
      text(`
        spec: endpoints {ns=shop} isolates ingress+egress
        spec.ingress[0]: allow ingress 203.0.113.0/24 any on everything
        spec.egress[0]: allow egress 203.0.113.0/24 any on everything`),
    );
});

const lists = {
  ingress: ["fromEndpoints", "fromEntities", "fromCIDR", "fromCIDRSet", "fromNodes", "fromGroups"],
  egress: ["toEndpoints", "toEntities", "toCIDR", "toCIDRSet", "toNodes", "toGroups"].concat(
    "toServices",
    "toFQDNs",
  ),
};
const ports = `toPorts: [{ ports: [{ port: "80", protocol: TCP }] }]`;

for (const [direction, names] of Object.entries(lists))
  for (const name of names)
    test(`CVE-2025-64715 an empty ${name} is nobody, alone, with ports and in a denying rule`, () => {
      const denied = name === "toFQDNs" ? [] : [`${direction}Deny`];
      for (const section of [direction, ...denied])
        for (const rest of ["", `, ${ports}`])
          assert.deepEqual(
            parsed(cnp(`{ endpointSelector: {}, ${section}: [{ ${name}: []${rest} }] }`)).specs[0]
              ?.rules[0]?.peers,
            [],
          );
    });

const emptyPorts = [
  "toPorts: []",
  "toPorts: [{}]",
  "toPorts: [{ ports: [] }]",
  "icmps: []",
  "icmps: [{}]",
  "icmps: [{ fields: [] }]",
  "toPorts: [], icmps: []",
];

for (const empty of emptyPorts)
  test(`CVE-2025-64715 ${empty} is no port`, () => {
    for (const section of ["ingress", "ingressDeny"])
      assert.deepEqual(
        parsed(cnp(`{ endpointSelector: {}, ${section}: [{ fromEntities: [all], ${empty} }] }`))
          .specs[0]?.rules[0]?.ports,
        [],
      );
  });

for (const l7 of [
  "rules: { http: [] }",
  "rules: { dns: [] }",
  "rules: { kafka: [] }",
  "serverNames: []",
])
  test(`CVE-2025-64715 ${l7} still asks for a proxy`, () => {
    const spec = `{ endpointSelector: {}, egress: [{ toEntities: [all], toPorts: [{ ports: [{ port: "80", protocol: TCP }], ${l7} }] }] }`;
    const [rule, ...others] = parsed(cnp(spec)).specs[0]?.rules ?? [];
    assert.notEqual(rule?.l7, undefined);
    assert.deepEqual(others, []);
  });

test("CVE-2025-30163 a pod with a node's labels is no node", () => {
  const node = ["node:zone=a", "reserved:remote-node"];
  const pods = [
    ["k8s:zone=a", "k8s:io.kubernetes.pod.namespace=shop"],
    ["node:zone=a", "k8s:io.kubernetes.pod.namespace=shop"],
  ];
  for (const key of ["zone", "k8s:zone", "node:zone", "any:zone"]) {
    const rule = `{ fromNodes: [{ matchLabels: { "${key}": a } }] }`;
    const peers = peersOf(ccnp(`{ endpointSelector: {}, ingress: [${rule}] }`));
    assert.ok(someSelect(peers, node), key);
    for (const pod of pods) assert.ok(!someSelect(peers, pod), `${key} ${pod}`);
  }
});

test("GHSA-pfhr-pccp-hwmh a selector of namespaces looks at no pod's own labels, nor one of pods at namespaces'", () => {
  const namespaces = peersOf(
    np(
      `{ podSelector: {}, ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: a } } }] }] }`,
    ),
  );
  const inTeam = [
    "k8s:io.cilium.k8s.namespace.labels.team=a",
    "k8s:io.kubernetes.pod.namespace=bank",
  ];
  assert.ok(someSelect(namespaces, inTeam));
  assert.ok(!someSelect(namespaces, ["k8s:team=a", "k8s:io.kubernetes.pod.namespace=bank"]));
  assert.ok(
    !someSelect(namespaces, [
      "container:io.cilium.k8s.namespace.labels.team=a",
      "k8s:io.kubernetes.pod.namespace=bank",
    ]),
  );

  const key = "io.cilium.k8s.namespace.labels.team";
  const pods = peersOf(
    np(
      `{ podSelector: {}, ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { ${key}: a } } }] }] }`,
    ),
  );
  assert.ok(!someSelect(pods, inTeam));
});

test("CVE-2023-41333 a namespaced policy selects nothing outside its namespace, whatever its selector says", () => {
  repeat({ runs: 1000 }, (random) => {
    const spec = {
      endpointSelector: randomSelector(random),
      ingress: [{ fromEntities: ["host"] }],
    };
    const policy = { ...cnp("{}"), spec };
    const result = parsePolicy(policy, { clusterName: "default" });
    assert.ok(result.ok, JSON.stringify(result));
    const selector = result.policy.specs[0]?.subject.selector ?? [];
    for (const labels of outside)
      assert.ok(!selects(selector, Labels.parse(labels)), `${JSON.stringify(spec)} ${labels}`);
  });
  assert.ok(
    selects(subjectOf(cnp("{ endpointSelector: {}, ingress: [{}] }")), Labels.parse(inside)),
  );
});

const inside = ["k8s:app=web", "k8s:io.kubernetes.pod.namespace=shop"];
const outside = [
  [],
  ["k8s:app=web"],
  ["reserved:init"],
  ["reserved:host"],
  ["reserved:health"],
  ["k8s:app=web", "k8s:io.kubernetes.pod.namespace=bank"],
  // Only what the cluster says of a pod counts as its namespace.
  ["container:io.kubernetes.pod.namespace=shop", "k8s:io.kubernetes.pod.namespace=bank"],
  ["k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop"],
];

function randomSelector(random: Random): object {
  const keys = ["app", "k8s:app", "any:app", "reserved:init", "reserved:host", "any:init"].concat(
    ["", "k8s:", "any:", "container:"].flatMap((source) => [
      `${source}io.kubernetes.pod.namespace`,
      `${source}io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name`,
    ]),
  );
  const some = <T>(make: () => T) => Array.from({ length: random.below(3) }, make);
  const value = () => random.pick(["", "shop", "bank", "web"]);
  return {
    matchLabels: Object.fromEntries(some(() => [random.pick(keys), value()])),
    matchExpressions: some(() => {
      const operator = random.pick(["In", "NotIn", "Exists", "DoesNotExist"]);
      const values = operator.endsWith("In") ? { values: [value(), value()] } : {};
      return { key: random.pick(keys), operator, ...values };
    }),
  };
}
