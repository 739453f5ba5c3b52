import assert from "node:assert/strict";
import { test } from "node:test";
import { np, show, text } from "./testing/show.ts";

const isolation: [sentence: string, spec: string, expected: string][] = [
  [
    "without policyTypes ingress is isolated",
    `{ podSelector: {} }`,
    `spec: endpoints {ns=shop} isolates ingress`,
  ],
  [
    "without policyTypes egress is isolated when there are rules for it",
    `{ podSelector: { matchLabels: { app: web } }, egress: [{}] }`,
    `spec: endpoints {k8s:app=web & ns=shop} isolates ingress+egress
     spec.egress[0]: allow egress anyone on everything`,
  ],
  [
    "an empty list of egress rules is none, as far as that goes",
    `{ podSelector: {}, egress: [], policyTypes: [] }`,
    `spec: endpoints {ns=shop} isolates ingress`,
  ],
  [
    "policyTypes say what is isolated",
    `{ podSelector: {}, policyTypes: [Egress] }`,
    `spec: endpoints {ns=shop} isolates egress`,
  ],
  [
    "rules of a direction that policyTypes leave out have no effect",
    `{ podSelector: {}, policyTypes: [Egress], ingress: [{}], egress: [{}] }`,
    `spec: endpoints {ns=shop} isolates egress
     spec.egress[0]: allow egress anyone on everything
     warning spec.ingress: has no effect: policyTypes does not list Ingress`,
  ],
  [
    "both, and no rules: nothing in, nothing out",
    `{ podSelector: {}, policyTypes: [Ingress, Egress], ingress: [], egress: [] }`,
    `spec: endpoints {ns=shop} isolates ingress+egress`,
  ],
  [
    "a missing podSelector selects every pod of the namespace",
    `{ policyTypes: [Ingress] }`,
    `spec: endpoints {ns=shop} isolates ingress`,
  ],
  [
    "types that are none",
    `{ podSelector: {}, policyTypes: [ingress, null] }`,
    `problem spec.policyTypes[0]: must be one of Ingress, Egress ("ingress")
     problem spec.policyTypes[1]: required`,
  ],
];

for (const [sentence, spec, expected] of isolation)
  test(`isolation: ${sentence}`, () => assert.equal(show(np(spec)), text(expected)));

/** How one ingress rule is understood. */
function rule(body: string, options: object = {}): string {
  return show(np(`{ podSelector: {}, ingress: [${body}] }`), options)
    .replace(/^spec: .*\n/, "")
    .replace(/^spec\.ingress\[0\]: allow ingress /, "")
    .replaceAll("spec.ingress[0]", "rule");
}

const peers: [sentence: string, body: string, expected: string][] = [
  ["an empty rule is for anyone and everything", "{}", "anyone on everything"],
  ["so is one whose lists are empty", "{ from: [], ports: [] }", "anyone on everything"],
  [
    "null is nothing in Kubernetes' own kinds, and told",
    "{ from: null, ports: null }",
    `anyone on everything
warning rule.from: null counts as left out: it restricts nothing
warning rule.ports: null counts as left out: it restricts nothing`,
  ],
  [
    "pods of the own namespace",
    "{ from: [{ podSelector: { matchLabels: { app: a } } }, { podSelector: {} }] }",
    "{k8s:app=a & ns=shop} | {ns=shop} on everything",
  ],
  [
    "pods of namespaces by their labels, and of every namespace",
    "{ from: [{ namespaceSelector: { matchLabels: { team: a } } }, { namespaceSelector: {} }] }",
    "{ns/team=a & ns} | {ns} on everything",
  ],
  [
    "some pods of some namespaces",
    "{ from: [{ namespaceSelector: { matchExpressions: [{ key: team, operator: NotIn, values: [a] }] }, podSelector: { matchLabels: { app: a } } }] }",
    "{k8s:app=a & ns/team not in a & ns} on everything",
  ],
  [
    "blocks, for whoever has such an address",
    `{ from: [{ ipBlock: { cidr: 10.0.0.0/8, except: [10.1.0.0/16] } }, { ipBlock: { cidr: "fd00::/8" } }] }`,
    "10.0.0.0/8 - 10.1.0.0/16 any | fd00::/8 any on everything",
  ],
  [
    "blocks that are none",
    "{ from: [{ ipBlock: { cidr: 10.0.0.1 } }, { ipBlock: {} }, { ipBlock: { cidr: 10.0.0.0/8, except: [10.0.0.0/8, 11.0.0.0/8] } }] }",
    `problem rule.from[0].ipBlock.cidr: needs a prefix length ("10.0.0.1")
problem rule.from[1].ipBlock.cidr: required
problem rule.from[2].ipBlock.except[0]: leaves nothing of 10.0.0.0/8 ("10.0.0.0/8")
problem rule.from[2].ipBlock.except[1]: is not inside 10.0.0.0/8 ("11.0.0.0/8")`,
  ],
  [
    "peers that are none",
    "{ from: [{}, { ipBlock: { cidr: 10.0.0.0/8 }, podSelector: {} }, { podSelector: null }, x] }",
    `problem rule.from[0]: needs podSelector, namespaceSelector or ipBlock
problem rule.from[1]: ipBlock goes with no selector
problem rule.from[2]: needs podSelector, namespaceSelector or ipBlock
problem rule.from[3]: must be an object ("x")`,
  ],
  [
    "a peer or a port with a field that is not known matches nothing; what stands beside it is as it was",
    "{ from: [{ podSelector: {}, nodeSelector: {} }, { namespaceSelector: {} }], ports: [{ port: 80, weight: 1 }] }",
    `{ns} on nothing
warning rule.from[0].nodeSelector: unknown field: the peer it narrows is taken to match nobody
warning rule.ports[0].weight: unknown field: the port it narrows is taken to match nothing (1)`,
  ],
  [
    "selectors know no label sources",
    `{ from: [{ podSelector: { matchLabels: { "k8s:app": a } } }, { namespaceSelector: { matchLabels: { "reserved:host": "" } } }] }`,
    `problem rule.from[0].podSelector.matchLabels[k8s:app]: "k8s:app" is no label key ("a")
problem rule.from[1].namespaceSelector.matchLabels[reserved:host]: "reserved:host" is no label key ("")`,
  ],
];

for (const [sentence, body, expected] of peers)
  test(`rules: ${sentence}`, () => assert.equal(rule(body), expected));

test("blocks are Cilium's where that is configured", () => {
  const body = "{ from: [{ ipBlock: { cidr: 10.0.0.0/8 } }] }";
  assert.equal(rule(body, { kubernetesIpBlock: "external" }), "10.0.0.0/8 external on everything");
});

const ports: [sentence: string, list: string, expected: string][] = [
  ["TCP unless said", "[{ port: 80 }, { port: 53, protocol: UDP }]", "anyone on 80/tcp 53/udp"],
  ["every port of a protocol", "[{ protocol: SCTP }, {}]", "anyone on */sctp */tcp"],
  ["ranges", "[{ port: 80, endPort: 90 }, { port: 7, endPort: 7 }]", "anyone on 80-90/tcp 7/tcp"],
  ["names", "[{ port: http, protocol: UDP }]", "anyone on http/udp"],
  [
    "what is none",
    `[{ port: 0 }, { port: 65536 }, { port: HTTP }, { port: "80" }, { protocol: ANY }, { endPort: 9 }, { port: 9, endPort: 8 }, { port: http, endPort: 9 }, { port: true }]`,
    `problem rule.ports[0].port: must be a whole number from 1 to 65535 (0)
problem rule.ports[1].port: must be a whole number from 1 to 65535 (65536)
problem rule.ports[2].port: is no name of a port ("HTTP")
problem rule.ports[3].port: is no name of a port ("80")
problem rule.ports[4].protocol: must be one of TCP, UDP, SCTP ("ANY")
problem rule.ports[5].endPort: needs a port (9)
problem rule.ports[6].endPort: must not be below port 9 (8)
problem rule.ports[7].endPort: a named port has no range (9)
problem rule.ports[8].port: must be a whole number from 1 to 65535 (true)`,
  ],
];

for (const [sentence, list, expected] of ports)
  test(`ports: ${sentence}`, () => assert.equal(rule(`{ ports: ${list} }`), expected));
