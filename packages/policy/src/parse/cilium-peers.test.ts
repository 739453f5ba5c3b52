import assert from "node:assert/strict";
import { test } from "node:test";
import { ccnp, cnp, show } from "./testing/show.ts";

/** What follows "allow ingress" for one ingress rule, and the warnings; or the problems. */
function ingress(rule: string, of: (spec: string) => object = cnp): string {
  return told(
    show(of(`{ endpointSelector: {}, ingress: [${rule}] }`), { nodeSelectorLabels: true }),
  );
}

function egress(rule: string, of: (spec: string) => object = cnp): string {
  return told(
    show(of(`{ endpointSelector: {}, egress: [${rule}] }`), { nodeSelectorLabels: true }),
  );
}

function told(shown: string): string {
  return shown
    .replace(/^spec: .*\n/, "")
    .replace(/^spec\.\w+\[0\]: allow \w+ /, "")
    .replaceAll(/(ingress|egress)\[0\]/g, "rule");
}

const inNamespace: [sentence: string, rule: string, expected: string][] = [
  [
    "no peers: anyone",
    `{ toPorts: [{ ports: [{ port: "80" }] }] }`,
    "anyone on 80/tcp 80/udp 80/sctp",
  ],
  ["every pod of the namespace", `{ fromEndpoints: [{}] }`, "{ns=shop} on everything"],
  [
    "a label of any source",
    `{ fromEndpoints: [{ matchLabels: { app: web } }] }`,
    "{any:app=web & ns=shop} on everything",
  ],
  [
    "a label whose source is said",
    `{ fromEndpoints: [{ matchLabels: { "k8s:app": web, "any:tier": x, ":zone": y } }] }`,
    "{k8s:app=web & any:tier=x & any:zone=y & ns=shop} on everything",
  ],
  [
    "expressions",
    `{ fromEndpoints: [{ matchExpressions: [{ key: app, operator: In, values: [a, b] }, { key: t, operator: Exists },
       { key: u, operator: NotIn, values: [c] }, { key: v, operator: DoesNotExist, values: [] }] }] }`,
    "{any:app in a,b & any:t & any:u not in c & !any:v & ns=shop} on everything",
  ],
  [
    "another namespace by its name",
    `{ fromEndpoints: [{ matchLabels: { io.kubernetes.pod.namespace: bank } }, { matchLabels: { "k8s:io.kubernetes.pod.namespace": bank } }] }`,
    "{any:io.kubernetes.pod.namespace=bank} | {ns=bank} on everything",
  ],
  [
    "every namespace, said by an expression",
    `{ fromEndpoints: [{ matchExpressions: [{ key: "k8s:io.kubernetes.pod.namespace", operator: Exists }] }] }`,
    "{ns} on everything",
  ],
  [
    "namespaces by their labels",
    `{ fromEndpoints: [{ matchLabels: { "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name": bank, app: a } }] }`,
    "{ns/kubernetes.io/metadata.name=bank & any:app=a} on everything",
  ],
  [
    "a namespace's label may have a name as long as labels may be",
    `{ fromEndpoints: [{ matchLabels: { io.cilium.k8s.namespace.labels.${"x".repeat(63)}: a } }] }`,
    `{any:io.cilium.k8s.namespace.labels.${"x".repeat(63)}=a} on everything`,
  ],
  [
    "reserved labels have no namespace",
    `{ fromEndpoints: [{ matchLabels: { "reserved:host": "" } }] }`,
    "{reserved:host=} on everything",
  ],
  [
    "a selector of absent labels alone is odd, for it matches the world",
    `{ fromEndpoints: [{ matchExpressions: [{ key: io.kubernetes.pod.namespace, operator: NotIn, values: [bank] }] }] }`,
    `{any:io.kubernetes.pod.namespace not in bank} on everything
warning spec.rule.fromEndpoints[0]: says only which labels are not there: the world and the nodes match too`,
  ],
  ["an empty list: nobody", `{ fromEndpoints: [] }`, "nobody on everything"],
  [
    "an empty list beside a full one: nobody, since both would have to match",
    `{ fromEndpoints: [], fromCIDR: [10.0.0.0/8] }`,
    "nobody on everything",
  ],
  [
    "a list that is null: refused, for nobody knows what was meant",
    `{ fromEndpoints: null, toPorts: [{ ports: [{ port: "80" }] }] }`,
    "problem spec.rule.fromEndpoints: is null: leave it out if no restriction is meant",
  ],
  [
    "two kinds of peers: refused",
    `{ fromEndpoints: [{}], fromCIDR: [10.0.0.0/8] }`,
    "problem spec.rule: fromEndpoints and fromCIDR in one rule: write a rule for each",
  ],
  [
    "entities",
    `{ fromEntities: [all, world, host, remote-node, init, ingress, unmanaged, health, kube-apiserver, world-ipv6, none] }`,
    "{} | {reserved:world} | {reserved:world-ipv4} | {reserved:world-ipv6} | {reserved:host} | {reserved:remote-node} | {reserved:init} | {reserved:ingress} | {reserved:unmanaged} | {reserved:health} | {reserved:kube-apiserver} | {reserved:world-ipv6} on everything",
  ],
  [
    "the entity for the clusters of a mesh",
    `{ fromEntities: [cluster-mesh] }`,
    "{reserved:host} | {reserved:remote-node} | {reserved:init} | {reserved:ingress} | {reserved:health} | {reserved:unmanaged} | {reserved:kube-apiserver} | {k8s:io.cilium.k8s.policy.cluster} on everything",
  ],
  ["the entity that is nobody", `{ fromEntities: [none] }`, "nobody on everything"],
  [
    "an entity that is not known: refused",
    `{ fromEntities: [everyone, 1] }`,
    `problem spec.rule.fromEntities[0]: no such entity ("everyone")
problem spec.rule.fromEntities[1]: must be a string: write "1" (1)`,
  ],
  [
    "blocks and bare addresses of both families",
    `{ fromCIDR: [10.0.0.0/8, 192.0.2.1, "2001:db8::/32", "2001:db8::1", 0.0.0.0/0] }`,
    "10.0.0.0/8 external | 192.0.2.1/32 external | 2001:db8::/32 external | 2001:db8::1/128 external | 0.0.0.0/0 external on everything",
  ],
  [
    "a block with host bits is told",
    `{ fromCIDR: [10.1.2.3/8] }`,
    `10.0.0.0/8 external on everything
warning spec.rule.fromCIDR[0]: has host bits: taken as 10.0.0.0/8 ("10.1.2.3/8")`,
  ],
  [
    "what is no block",
    `{ fromCIDR: [10.0.0.0/33, 010.0.0.0/8, a.b.c.d, ""] }`,
    `problem spec.rule.fromCIDR[0]: is no block of addresses ("10.0.0.0/33")
problem spec.rule.fromCIDR[1]: is no block of addresses ("010.0.0.0/8")
problem spec.rule.fromCIDR[2]: is no block of addresses ("a.b.c.d")
problem spec.rule.fromCIDR[3]: required ("")`,
  ],
  [
    "blocks with exceptions",
    `{ fromCIDRSet: [{ cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16] }, { cidr: "fd00::/8", except: [] }] }`,
    "10.0.0.0/8 - 10.1.0.0/16 - 10.2.0.0/16 external | fd00::/8 external on everything",
  ],
  [
    "groups of blocks",
    `{ fromCIDRSet: [{ cidrGroupRef: corp }, { cidrGroupRef: corp, except: [10.1.0.0/16] }, { cidrGroupSelector: { matchLabels: { site: hq } } }] }`,
    "group corp | group corp - 10.1.0.0/16 | groups {any:site=hq} on everything",
  ],
  [
    "exceptions outside of their block, of another family, or null",
    `{ fromCIDRSet: [{ cidr: 10.0.0.0/8, except: [11.0.0.0/16, "fd00::/16", 0.0.0.0/0] }, { cidr: 10.0.0.0/8, except: null }] }`,
    `problem spec.rule.fromCIDRSet[0].except[0]: is not inside 10.0.0.0/8 ("11.0.0.0/16")
problem spec.rule.fromCIDRSet[0].except[1]: is of another address family than 10.0.0.0/8 ("fd00::/16")
problem spec.rule.fromCIDRSet[0].except[2]: is not inside 10.0.0.0/8 ("0.0.0.0/0")
problem spec.rule.fromCIDRSet[1].except: is null: leave it out if no restriction is meant`,
  ],
  [
    "a block of a set needs its length, and one source",
    `{ fromCIDRSet: [{ cidr: 10.0.0.1 }, {}, { cidr: 10.0.0.0/8, cidrGroupRef: corp }] }`,
    `problem spec.rule.fromCIDRSet[0].cidr: needs a prefix length ("10.0.0.1")
problem spec.rule.fromCIDRSet[1]: needs exactly one of cidr, cidrGroupRef, cidrGroupSelector
problem spec.rule.fromCIDRSet[2]: needs exactly one of cidr, cidrGroupRef, cidrGroupSelector`,
  ],
  [
    "nodes by their labels, and nodes alone",
    `{ fromNodes: [{ matchLabels: { zone: a, "k8s:rack": b, "node:row": c } }, {}] }`,
    "{reserved:remote-node & node:zone=a & node:rack=b & node:row=c} | {reserved:remote-node} on everything",
  ],
  ["groups of a provider that are none", `{ fromGroups: [] }`, "nobody on everything"],
  [
    "groups of a provider",
    `{ fromGroups: [{ aws: {} }] }`,
    "problem spec.rule.fromGroups[0]: groups of a cloud provider are not supported: name their blocks in a CiliumCIDRGroup",
  ],
  [
    "requirements that are none",
    `{ fromRequires: [], fromEntities: [host] }`,
    "{reserved:host} on everything",
  ],
  [
    "requirements",
    `{ fromRequires: [{}] , fromEntities: [host] }`,
    "problem spec.rule.fromRequires: must be empty: requirements over other rules are gone from the API",
  ],
  [
    "selectors that are none",
    `{ fromEndpoints: [null, x, { matchLabels: [] }, { matchExpressions: {} }, { labels: {} }, { matchLabels: null }] }`,
    `problem spec.rule.fromEndpoints[0]: required
problem spec.rule.fromEndpoints[1]: must be an object ("x")
problem spec.rule.fromEndpoints[2].matchLabels: must be an object
problem spec.rule.fromEndpoints[3].matchExpressions: must be a list
problem spec.rule.fromEndpoints[4].labels: unknown field: without understanding it the policy cannot be enforced
problem spec.rule.fromEndpoints[5].matchLabels: is null: leave it out if no restriction is meant`,
  ],
  [
    "keys, values and operators that are none",
    `{ fromEndpoints: [{ matchLabels: { "a b": x, "K8S:a": y, "a:b:c": z, app: "a b", t: null }, matchExpressions: [{ key: "-", operator: In, values: [] },
       { key: a, operator: Equals }, { key: a, operator: NotIn }, { key: a, operator: Exists, values: [x] }, { operator: Exists }, { key: a }] }] }`,
    `problem spec.rule.fromEndpoints[0].matchLabels[a b]: "a b" is no label key ("x")
problem spec.rule.fromEndpoints[0].matchLabels[K8S:a]: "K8S:a" is no label key ("y")
problem spec.rule.fromEndpoints[0].matchLabels[a:b:c]: "a:b:c" is no label key ("z")
problem spec.rule.fromEndpoints[0].matchLabels[app]: is no label value: at most 63 letters, digits, '-', '_' and '.', a letter or digit at both ends ("a b")
problem spec.rule.fromEndpoints[0].matchLabels[t]: required
problem spec.rule.fromEndpoints[0].matchExpressions[0].key: "-" is no label key ("-")
problem spec.rule.fromEndpoints[0].matchExpressions[1].operator: must be one of In, NotIn, Exists, DoesNotExist ("Equals")
problem spec.rule.fromEndpoints[0].matchExpressions[2].values: NotIn needs values
problem spec.rule.fromEndpoints[0].matchExpressions[3].values: Exists takes no values
problem spec.rule.fromEndpoints[0].matchExpressions[4].key: required
problem spec.rule.fromEndpoints[0].matchExpressions[5].operator: required`,
  ],
];

for (const [sentence, rule, expected] of inNamespace)
  test(`peers of a namespaced policy: ${sentence}`, () => assert.equal(ingress(rule), expected));

const clusterWide: [sentence: string, rule: string, expected: string][] = [
  ["pods of every namespace, and nobody else", `{ fromEndpoints: [{}] }`, "{ns} on everything"],
  [
    "a label in every namespace",
    `{ fromEndpoints: [{ matchLabels: { app: web } }] }`,
    "{any:app=web & ns} on everything",
  ],
  [
    "one namespace",
    `{ fromEndpoints: [{ matchLabels: { "k8s:io.kubernetes.pod.namespace": bank } }] }`,
    "{ns=bank} on everything",
  ],
  [
    "namespaces by their labels",
    `{ fromEndpoints: [{ matchLabels: { "k8s:io.cilium.k8s.namespace.labels.team": a } }] }`,
    "{ns/team=a & ns} on everything",
  ],
  [
    "reserved labels have no namespace",
    `{ fromEndpoints: [{ matchLabels: { "reserved:ingress": "" } }] }`,
    "{reserved:ingress=} on everything",
  ],
];

for (const [sentence, rule, expected] of clusterWide)
  test(`peers of a cluster-wide policy: ${sentence}`, () =>
    assert.equal(ingress(rule, ccnp), expected));

test("peers of a cluster-wide policy for starting pods have no namespace either", () => {
  const shown = (selector: string) =>
    told(show(ccnp(`{ endpointSelector: ${selector}, ingress: [{ fromEndpoints: [{}] }] }`)));
  assert.equal(shown(`{ matchLabels: { "reserved:init": "" } }`), "{} on everything");
  const without = `{ matchExpressions: [{ key: "reserved:init", operator: DoesNotExist }] }`;
  assert.equal(shown(without), "{ns} on everything");
});

const outwards: [sentence: string, rule: string, expected: string][] = [
  [
    "the same lists as for ingress",
    `{ toEndpoints: [{ matchLabels: { app: db } }] }`,
    "{any:app=db & ns=shop} on everything",
  ],
  [
    "services by name, of the own namespace unless said",
    `{ toServices: [{ k8sService: { serviceName: db } }, { k8sService: { serviceName: db, namespace: bank } }] }`,
    "service shop/db | service bank/db on everything",
  ],
  [
    "services by labels, of every namespace unless said",
    `{ toServices: [{ k8sServiceSelector: { selector: { matchLabels: { app: db } } } }, { k8sServiceSelector: { selector: {}, namespace: bank } }] }`,
    "services */{any:app=db} | services bank/{} on everything",
  ],
  [
    "services with ports",
    `{ toServices: [{ k8sService: { serviceName: db } }], toPorts: [{ ports: [{ port: "5432", protocol: TCP }] }] }`,
    "service shop/db on 5432/tcp",
  ],
  ["an empty list of services: nobody", `{ toServices: [] }`, "nobody on everything"],
  [
    "services that are none",
    `{ toServices: [{}, { k8sService: { serviceName: a }, k8sServiceSelector: { selector: {} } }, { k8sService: {} }, { k8sServiceSelector: {} }, { k8sService: { serviceName: a, namespace: A } }] }`,
    `problem spec.rule.toServices[0]: needs k8sService or k8sServiceSelector, and not both
problem spec.rule.toServices[1]: needs k8sService or k8sServiceSelector, and not both
problem spec.rule.toServices[2].k8sService.serviceName: required
problem spec.rule.toServices[3].k8sServiceSelector.selector: required
problem spec.rule.toServices[4].k8sService.namespace: is no name of a namespace ("A")`,
  ],
  [
    "DNS names, in lower case and without the final dot",
    `{ toFQDNs: [{ matchName: WWW.Example.com. }, { matchPattern: "*.example.com" }] }`,
    "dns www.example.com | dns *.example.com on everything",
  ],
  ["an empty list of DNS names: nobody", `{ toFQDNs: [] }`, "nobody on everything"],
  [
    "DNS names that are none",
    `{ toFQDNs: [{}, { matchName: a.b, matchPattern: "*" }, { matchName: "*.a" }, { matchName: a..b }, { matchPattern: "" }] }`,
    `problem spec.rule.toFQDNs[0]: needs matchName or matchPattern, and not both
problem spec.rule.toFQDNs[1]: needs matchName or matchPattern, and not both
problem spec.rule.toFQDNs[2].matchName: is no DNS name ("*.a")
problem spec.rule.toFQDNs[3].matchName: is no DNS name ("a..b")
problem spec.rule.toFQDNs[4].matchPattern: required ("")`,
  ],
];

for (const [sentence, rule, expected] of outwards)
  test(`peers of egress rules: ${sentence}`, () => assert.equal(egress(rule), expected));

test("a service by name needs its namespace in a cluster-wide policy", () => {
  assert.equal(
    egress(`{ toServices: [{ k8sService: { serviceName: db } }] }`, ccnp),
    "problem spec.rule.toServices[0].k8sService.namespace: required in a cluster-wide policy",
  );
});

test("nothing is denied by DNS name", () => {
  assert.equal(
    show(cnp(`{ endpointSelector: {}, egressDeny: [{ toFQDNs: [{ matchName: a.b }] }] }`)),
    "problem spec.egressDeny[0].toFQDNs: unknown field: without understanding it the policy cannot be enforced",
  );
});

test("peers by node labels are refused where nodes have no identities of their own", () => {
  assert.equal(
    show(cnp(`{ endpointSelector: {}, ingress: [{ fromNodes: [{}] }] }`)),
    "problem spec.ingress[0].fromNodes[0]: peers by node labels need enable-node-selector-labels",
  );
});
