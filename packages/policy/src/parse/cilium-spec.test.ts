import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "js-yaml";
import { parsePolicy } from "./parse.ts";
import { ccnp, cnp, show, text } from "./testing/show.ts";

const policies: [sentence: string, object: object, expected: string][] = [
  [
    "a policy applies to what it selects in its own namespace, and isolates the directions that it has rules for",
    cnp(`{ endpointSelector: { matchLabels: { app: web } }, ingress: [{ fromEntities: [all] }] }`),
    `spec: endpoints {any:app=web & ns=shop} isolates ingress
     spec.ingress[0]: allow ingress {} on everything`,
  ],
  [
    "denying rules isolate too",
    cnp(`{ endpointSelector: {}, egressDeny: [{ toEntities: [world-ipv4] }] }`),
    `spec: endpoints {ns=shop} isolates egress
     spec.egressDeny[0]: deny egress {reserved:world-ipv4} on everything`,
  ],
  [
    "an empty list of rules isolates nothing",
    cnp(`{ endpointSelector: {}, ingress: [], egress: [{ toEntities: [host] }] }`),
    `spec: endpoints {ns=shop} isolates egress
     spec.egress[0]: allow egress {reserved:host} on everything`,
  ],
  [
    "an empty rule isolates and allows nobody",
    cnp(`{ endpointSelector: {}, ingress: [{}] }`),
    `spec: endpoints {ns=shop} isolates ingress
     spec.ingress[0]: allow ingress nobody on everything`,
  ],
  [
    "an empty denying rule denies nobody in particular",
    cnp(`{ endpointSelector: {}, ingressDeny: [{}] }`),
    `spec: endpoints {ns=shop} isolates ingress
     spec.ingressDeny[0]: deny ingress nobody on everything
     warning spec.ingressDeny[0]: an empty rule names nothing to deny; it denies by default what no rule allows`,
  ],
  [
    "enableDefaultDeny false takes the isolation away and leaves the rules",
    cnp(`{ endpointSelector: {}, enableDefaultDeny: { ingress: false, egress: true },
           ingress: [{ fromEntities: [host] }], egress: [{ toEntities: [host] }] }`),
    `spec: endpoints {ns=shop} isolates egress
     spec.ingress[0]: allow ingress {reserved:host} on everything
     spec.egress[0]: allow egress {reserved:host} on everything`,
  ],
  [
    "enableDefaultDeny true isolates no direction without rules, and a warning says so",
    cnp(
      `{ endpointSelector: {}, enableDefaultDeny: { egress: true }, ingress: [{ fromEntities: [host] }] }`,
    ),
    `spec: endpoints {ns=shop} isolates ingress
     spec.ingress[0]: allow ingress {reserved:host} on everything
     warning spec.enableDefaultDeny.egress: has no effect without a rule: egress: [{}] denies all (true)`,
  ],
  [
    "a selector that names another namespace selects nothing, and a warning says so",
    cnp(
      `{ endpointSelector: { matchLabels: { "k8s:io.kubernetes.pod.namespace": bank } }, ingress: [{}] }`,
    ),
    `spec: endpoints {ns=bank & ns=shop} isolates ingress
     spec.ingress[0]: allow ingress nobody on everything
     warning spec.endpointSelector: selects nothing: a policy applies to its own namespace, shop, alone`,
  ],
  [
    "a selector may name its own namespace",
    cnp(`{ endpointSelector: { matchExpressions: [{ key: io.kubernetes.pod.namespace, operator: In, values: [shop, bank] }] },
           ingress: [{ fromEntities: [host] }] }`),
    `spec: endpoints {any:io.kubernetes.pod.namespace in shop,bank & ns=shop} isolates ingress
     spec.ingress[0]: allow ingress {reserved:host} on everything`,
  ],
  [
    "a cluster-wide policy applies wherever it selects",
    ccnp(`{ endpointSelector: {}, ingress: [{ fromEntities: [cluster] }] }`),
    `spec: endpoints {} isolates ingress
     spec.ingress[0]: allow ingress {reserved:host} | {reserved:remote-node} | {reserved:init} | {reserved:ingress} | {reserved:health} | {reserved:unmanaged} | {reserved:kube-apiserver} | {k8s:io.cilium.k8s.policy.cluster=default} on everything`,
  ],
  [
    "a host policy selects nodes by their labels",
    ccnp(
      `{ nodeSelector: { matchLabels: { zone: a, "k8s:rack": b } }, ingress: [{ fromEntities: [host] }] }`,
    ),
    `spec: nodes {node:zone=a & node:rack=b} isolates ingress
     spec.ingress[0]: allow ingress {reserved:host} on everything
     warning spec.nodeSelector: not enforced: there is no host firewall yet`,
  ],
  [
    "a namespaced policy cannot select nodes",
    cnp(`{ nodeSelector: {}, ingress: [{ fromEntities: [host] }] }`),
    `problem spec.nodeSelector: only a CiliumClusterwideNetworkPolicy can select nodes`,
  ],
  [
    "endpointSelector and nodeSelector exclude each other",
    ccnp(`{ endpointSelector: {}, nodeSelector: {}, ingress: [{}] }`),
    `problem spec: has both endpointSelector and nodeSelector`,
  ],
  [
    "a policy that selects by nothing at all is refused",
    cnp(`{ ingress: [{}] }`),
    `problem spec: needs endpointSelector or nodeSelector; {} selects everything`,
  ],
  [
    "a policy without rules is refused: it would isolate nobody",
    cnp(`{ endpointSelector: {} }`),
    `problem spec: needs a rule in ingress, ingressDeny, egress or egressDeny; ingress: [{}] denies all ingress`,
  ],
  [
    "a policy whose sections are all empty is refused: it would isolate nobody",
    cnp(`{ endpointSelector: {}, ingress: [], egressDeny: [] }`),
    `problem spec: needs a rule in ingress, ingressDeny, egress or egressDeny; ingress: [{}] denies all ingress`,
  ],
  [
    "a field that is not known is refused, since it might have narrowed the policy",
    cnp(
      `{ endpointSelector: {}, ingress: [{ fromPods: [{}], toPorts: [{ ports: [{ port: "80" }] }] }] }`,
    ),
    `problem spec.ingress[0].fromPods: unknown field: without understanding it the policy cannot be enforced`,
  ],
  [
    "peers of the other direction are not known",
    cnp(
      `{ endpointSelector: {}, egress: [{ fromEndpoints: [{}], toPorts: [{ ports: [{ port: "80" }] }] }] }`,
    ),
    `problem spec.egress[0].fromEndpoints: unknown field: without understanding it the policy cannot be enforced`,
  ],
  [
    "every fault of an object is told, with its path",
    cnp(`{ endpointSelector: { matchLabels: { app: 1 } }, ingress: [{ fromCIDR: [x], toPorts: [{ ports: [{ port: "80", protocol: HTTP }] }] }, 7],
           egress: {}, enableDefaultDeny: { ingress: maybe }, labels: [[]], description: 3, log: { value: ${"x".repeat(33)} } }`),
    `problem spec.endpointSelector.matchLabels[app]: must be a string: write "1" (1)
     problem spec.ingress[0].fromCIDR[0]: is no block of addresses ("x")
     problem spec.ingress[0].toPorts[0].ports[0].protocol: must be one of TCP, UDP, SCTP, ANY ("HTTP")
     problem spec.ingress[1]: must be an object (7)
     problem spec.egress: must be a list
     problem spec.description: must be a string: write "3" (3)
     problem spec.labels[0]: must be an object
     problem spec.log.value: at most 32 characters ("${"x".repeat(33)}")
     problem spec.enableDefaultDeny.ingress: must be true or false ("maybe")`,
  ],
];

for (const [sentence, object, expected] of policies)
  test(sentence, () => assert.equal(show(object), text(expected)));

const base = { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata: { name: "p" } };
const rule = load(`{ endpointSelector: {}, ingress: [{ fromEntities: [host] }] }`);

test("spec and specs may stand side by side, each a set of rules of its own", () => {
  assert.equal(
    show({ ...base, spec: rule, specs: [rule, rule] }),
    text(`
      spec: endpoints {ns=default} isolates ingress
      spec.ingress[0]: allow ingress {reserved:host} on everything
      specs[0]: endpoints {ns=default} isolates ingress
      specs[0].ingress[0]: allow ingress {reserved:host} on everything
      specs[1]: endpoints {ns=default} isolates ingress
      specs[1].ingress[0]: allow ingress {reserved:host} on everything`),
  );
});

test("one bad spec among specs refuses the object: nothing is enforced by halves", () => {
  assert.equal(
    show({ ...base, specs: [rule, { endpointSelector: {} }] }),
    "problem specs[1]: needs a rule in ingress, ingressDeny, egress or egressDeny; ingress: [{}] denies all ingress",
  );
});

test("an object without spec and specs, or with an empty list of them, is refused", () => {
  assert.equal(show(base), "problem spec: needs spec or specs");
  assert.equal(show({ ...base, specs: [] }), "problem specs: needs at least one spec");
});

test("labels, description and log come along", () => {
  const result = parsePolicy(
    {
      ...base,
      metadata: { name: "p", namespace: "shop", uid: "u-1", generation: 3 },
      spec: {
        ...(rule as object),
        labels: ["k8s:team=a", { key: "b", value: "c", source: "k8s" }, { key: "d" }],
        description: "why",
        log: { value: "audit-42" },
      },
    },
    { clusterName: "default" },
  );
  assert.ok(result.ok);
  const [spec] = result.policy.specs;
  assert.deepEqual(result.policy.ref, {
    kind: "CiliumNetworkPolicy",
    namespace: "shop",
    name: "p",
  });
  assert.deepEqual(
    [result.policy.uid, result.policy.generation, spec?.labels, spec?.description, spec?.log],
    ["u-1", 3, ["k8s:team=a", "k8s:b=c", "any:d"], "why", "audit-42"],
  );
});

const objects: [sentence: string, object: unknown, expected: string][] = [
  ["nothing is no policy", undefined, "problem : required"],
  ["a list is no policy", [], "problem : must be an object"],
  [
    "an object of another kind is no policy",
    { apiVersion: "v1", kind: "Pod" },
    `problem kind: must be one of NetworkPolicy, CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy, ClusterNetworkPolicy ("Pod")`,
  ],
  [
    "a known kind of another version is refused by its version",
    { ...base, apiVersion: "cilium.io/v1" },
    `problem apiVersion: must be cilium.io/v2 for a CiliumNetworkPolicy ("cilium.io/v1")`,
  ],
  [
    "a policy needs a name",
    { ...base, metadata: {}, spec: rule },
    "problem metadata.name: required",
  ],
  [
    "a name must be one that the API server takes",
    { ...base, metadata: { name: "a/b", namespace: "A" }, spec: rule },
    `problem metadata.name: is no name of an object ("a/b")
     problem metadata.namespace: is no name of a namespace ("A")`,
  ],
];

for (const [sentence, object, expected] of objects)
  test(sentence, () => assert.equal(show(object), text(expected)));
