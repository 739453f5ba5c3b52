import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterPolicy, show, text } from "./testing/show.ts";

const head = "tier: Admin, priority: 10, subject: { namespaces: {} }";

const policies: [sentence: string, spec: string, expected: string][] = [
  [
    "rules of every verdict, in their order, isolate nobody",
    `{ ${head}, ingress: [{ action: Pass, from: [{ namespaces: { matchLabels: { team: a } } }] },
         { action: Accept, from: [{ pods: { namespaceSelector: {}, podSelector: { matchLabels: { app: m } } } }] },
         { action: Deny, from: [{ namespaces: {} }], name: last }] }`,
    `spec admin 10: endpoints {ns} isolates nothing
     spec.ingress[0]: pass ingress {ns/team=a & ns} on everything
     spec.ingress[1]: allow ingress {k8s:app=m & ns} on everything
     spec.ingress[2]: deny ingress {ns} on everything`,
  ],
  [
    "the baseline tier, and a subject by pods",
    `{ tier: Baseline, priority: 0, subject: { pods: { namespaceSelector: { matchLabels: { team: a } }, podSelector: { matchLabels: { app: web } } } },
       egress: [{ action: Deny, to: [{ namespaces: {} }] }] }`,
    `spec baseline 0: endpoints {k8s:app=web & ns/team=a & ns} isolates nothing
     spec.egress[0]: deny egress {ns} on everything`,
  ],
  [
    "pods without a selector of namespaces are those of all",
    `{ tier: Admin, priority: 1000, subject: { pods: { podSelector: {} } } }`,
    `spec admin 1000: endpoints {ns} isolates nothing`,
  ],
  [
    "networks are for whoever has such an address",
    `{ ${head}, egress: [{ action: Deny, to: [{ networks: [10.0.0.0/8, "fd00::/8"] }] }] }`,
    `spec admin 10: endpoints {ns} isolates nothing
     spec.egress[0]: deny egress 10.0.0.0/8 any | fd00::/8 any on everything`,
  ],
  [
    "nodes are this one and the others",
    `{ ${head}, egress: [{ action: Accept, to: [{ nodes: {} }] }] }`,
    `spec admin 10: endpoints {ns} isolates nothing
     spec.egress[0]: allow egress {reserved:host} | {reserved:remote-node} on everything`,
  ],
  [
    "domain names; a wildcard is for one label and more",
    `{ ${head}, egress: [{ action: Accept, to: [{ domainNames: [Kubernetes.io., "*.kubernetes.io"] }] }] }`,
    `spec admin 10: endpoints {ns} isolates nothing
     spec.egress[0]: allow egress dns kubernetes.io | dns **.kubernetes.io on everything`,
  ],
  [
    "protocols with a port, a range or a name",
    `{ ${head}, ingress: [{ action: Accept, from: [{ namespaces: {} }], protocols: [{ tcp: { destinationPort: { number: 80 } } },
         { udp: { destinationPort: { range: { start: 1, end: 9 } } } }, { sctp: { destinationPort: { number: 7 } } }, { destinationNamedPort: HTTP }] }] }`,
    `spec admin 10: endpoints {ns} isolates nothing
     spec.ingress[0]: allow ingress {ns} on 80/tcp 1-9/udp 7/sctp http/tcp http/udp http/sctp`,
  ],
  [
    "a peer of an unknown kind makes an accepting rule match nothing",
    `{ ${head}, ingress: [{ action: Accept, from: [{ namespaces: {} }, { clusters: {} }], protocols: [{ tcp: { destinationPort: { number: 80 } } }] }] }`,
    `spec admin 10: endpoints {ns} isolates nothing
     spec.ingress[0]: allow ingress nobody on everything
     warning spec.ingress[0].from[1]: no kind of peer that is known here: the rule allows nothing`,
  ],
  [
    "and the others deny all",
    `{ ${head}, ingress: [{ action: Deny, from: [{}] }, { action: Pass, from: [{ nodes: {} }], protocols: [{ tcp: { destinationPort: { number: 80 } } }] }] }`,
    `spec admin 10: endpoints {ns} isolates nothing
     spec.ingress[0]: deny ingress anyone on everything
     spec.ingress[1]: deny ingress anyone on everything
     warning spec.ingress[0].from[0]: no kind of peer that is known here: the rule denies everything, as the API asks
     warning spec.ingress[1].from[0]: no kind of peer that is known here: the rule denies everything, as the API asks`,
  ],
  [
    "what must be there",
    `{}`,
    `problem spec.tier: required
     problem spec.priority: required
     problem spec.subject: required`,
  ],
  [
    "what must be so",
    `{ tier: Normal, priority: 1001, subject: {}, ingress: [{ from: [] }, { action: Log, from: [{ namespaces: {}, pods: { podSelector: {} } }] }], egress: [{ action: Deny, to: [{ pods: {} }, { networks: [] }, { networks: [x] }] }] }`,
    `problem spec.tier: must be one of Admin, Baseline ("Normal")
     problem spec.priority: must be a whole number from 0 to 1000 (1001)
     problem spec.subject: needs exactly one of namespaces and pods
     problem spec.ingress[0].action: required
     problem spec.ingress[0].from: needs at least one peer
     problem spec.ingress[1].action: must be one of Accept, Deny, Pass ("Log")
     problem spec.ingress[1].from[0]: namespaces and pods in one peer: write a peer for each
     problem spec.egress[0].to[0].pods.podSelector: required
     problem spec.egress[0].to[1].networks: needs at least one block
     problem spec.egress[0].to[2].networks[0]: is no block of addresses ("x")`,
  ],
  [
    "ports that are none",
    `{ ${head}, ingress: [{ action: Accept, from: [{ namespaces: {} }], protocols: [{}, { tcp: {} }, { tcp: { destinationPort: {} } }, { tcp: { destinationPort: { number: 0 } } },
         { udp: { destinationPort: { range: { start: 9, end: 9 } } } }, { udp: { destinationPort: { range: { start: 9 } } } }, { destinationNamedPort: "80" }] }, { action: Deny, from: [{ namespaces: {} }], protocols: [] }] }`,
    `problem spec.ingress[0].protocols[0]: needs exactly one of tcp, udp, sctp, destinationNamedPort
     problem spec.ingress[0].protocols[1].tcp.destinationPort: required
     problem spec.ingress[0].protocols[2].tcp.destinationPort: needs number or range, and not both
     problem spec.ingress[0].protocols[3].tcp.destinationPort.number: must be a whole number from 1 to 65535 (0)
     problem spec.ingress[0].protocols[4].udp.destinationPort.range: start must be below end
     problem spec.ingress[0].protocols[5].udp.destinationPort.range.end: required
     problem spec.ingress[0].protocols[6].destinationNamedPort: is no name of a port ("80")
     problem spec.ingress[1].protocols: needs at least one protocol, or to be left out`,
  ],
  [
    "what has no labels or no ports cannot be asked for by them",
    `{ ${head}, egress: [{ action: Accept, to: [{ nodes: { matchLabels: { zone: a } } }] }, { action: Deny, to: [{ domainNames: [a.b] }] },
         { action: Accept, to: [{ networks: [10.0.0.0/8] }], protocols: [{ destinationNamedPort: http }] }, { action: Accept, to: [{ nodes: {} }], protocols: [{ destinationNamedPort: http }] }] }`,
    `problem spec.egress[0].to[0].nodes: nodes by their labels need enable-node-selector-labels
     problem spec.egress[1].to[0].domainNames: domain names are for Accept rules only
     problem spec.egress[2].protocols[0].destinationNamedPort: nodes, networks and domain names have no named ports ("http")
     problem spec.egress[3].protocols[0].destinationNamedPort: nodes, networks and domain names have no named ports ("http")`,
  ],
];

for (const [sentence, spec, expected] of policies)
  test(sentence, () => assert.equal(show(clusterPolicy(spec)), text(expected)));

test("nodes by their labels, where nodes have identities of their own", () => {
  const spec = `{ ${head}, egress: [{ action: Deny, to: [{ nodes: { matchLabels: { zone: a } } }] }] }`;
  assert.equal(
    show(clusterPolicy(spec), { nodeSelectorLabels: true }),
    text(`
      spec admin 10: endpoints {ns} isolates nothing
      spec.egress[0]: deny egress {reserved:host & node:zone=a} | {reserved:remote-node & node:zone=a} on everything`),
  );
});
