import assert from "node:assert/strict";
import { test } from "node:test";
import { type Described, describe } from "./describe.ts";
import type { DirectionView, RuleView } from "./explanation.ts";
import type { End } from "./suggest.ts";

const isolate: RuleView = {
  kind: "NetworkPolicy",
  namespace: "shop",
  name: "isolate",
  path: "spec",
};
const frontendOut: RuleView = {
  kind: "CiliumNetworkPolicy",
  namespace: "shop",
  name: "frontend-out",
  path: "spec.egress[1]",
};
const noForeigners: RuleView = {
  kind: "CiliumClusterwideNetworkPolicy",
  namespace: "",
  name: "no-foreigners",
  path: "specs[0].ingressDeny[0]",
};
const objects: Record<string, object> = {
  "frontend-out": {
    spec: {
      egress: [
        { toEntities: ["host"] },
        {
          toEndpoints: [{ matchLabels: { app: "backend" } }],
          toPorts: [{ ports: [{ port: "80" }] }],
        },
      ],
    },
  },
  "no-foreigners": { specs: [{ ingressDeny: [{ fromEntities: ["world"] }] }] },
};

const free: DirectionView = {
  verdict: "allowed",
  rules: [],
  defaultDenyBy: [],
  builtin: "no policy selects it",
};
const frontend: End = { kind: "pod", namespace: "shop", labels: { app: "frontend" } };
const backend: End = { kind: "pod", namespace: "shop", labels: { app: "backend" } };

type Row = readonly [
  sentence: string,
  described: Partial<Described> & Pick<Described, "explanation">,
  text: string,
];
const rows: readonly Row[] = [
  [
    "an allowed connection names the rule, its file and its lines",
    {
      explanation: {
        verdict: "allowed",
        egress: { verdict: "allowed", rules: [frontendOut], defaultDenyBy: [] },
        ingress: free,
      },
      fileOf: () => "policies/frontend.yaml",
    },
    `shop/frontend -> shop/backend 80/tcp: allowed
  egress of shop/frontend: allowed by CiliumNetworkPolicy shop/frontend-out (spec.egress[1])
    in policies/frontend.yaml
    | spec:
    |   egress:
    |     - toEndpoints:
    |         - matchLabels:
    |             app: backend
    |       toPorts:
    |         - ports:
    |             - port: '80'
  ingress of shop/backend: allowed: no policy selects it`,
  ],
  [
    "a default deny names the objects that isolate and the rule that it takes, in their kind's terms",
    {
      explanation: {
        verdict: "denied",
        egress: free,
        ingress: { verdict: "denied", rules: [], defaultDenyBy: [isolate] },
      },
      ends: { from: frontend, to: backend },
    },
    `shop/frontend -> shop/backend 80/tcp: denied
  egress of shop/frontend: allowed: no policy selects it
  ingress of shop/backend: denied by default: NetworkPolicy shop/isolate isolates it, and no rule allows this
    This rule, in any policy that selects the pod, would allow it:
      ingress:
        - from:
            - podSelector:
                matchLabels:
                  app: frontend
          ports:
            - port: 80
              protocol: TCP`,
  ],
  [
    "a deny rule is shown, since only its change would help",
    {
      question: { from: "203.0.113.10", to: "shop/backend", port: "80/tcp" },
      explanation: {
        verdict: "denied",
        egress: { ...free, builtin: "it is outside the cluster" },
        ingress: { verdict: "denied", rules: [noForeigners], defaultDenyBy: [] },
      },
    },
    `203.0.113.10 -> shop/backend 80/tcp: denied
  egress of 203.0.113.10: allowed: it is outside the cluster
  ingress of shop/backend: denied by CiliumClusterwideNetworkPolicy no-foreigners (specs[0].ingressDeny[0])
    | specs:
    |   - ingressDeny:
    |       - fromEntities:
    |           - world
    A deny wins over every allow: it takes a change of this rule.`,
  ],
  [
    "audit says what would be denied, and by how many",
    {
      explanation: {
        verdict: "audit",
        egress: free,
        ingress: { verdict: "audit", rules: [], defaultDenyBy: [isolate, noForeigners] },
      },
    },
    `shop/frontend -> shop/backend 80/tcp: let through, audited
  egress of shop/frontend: allowed: no policy selects it
  ingress of shop/backend: let through; it would be denied by default: NetworkPolicy shop/isolate and CiliumClusterwideNetworkPolicy no-foreigners isolate it, and no rule allows this
    It takes a rule that allows it, in any policy that selects the pod.`,
  ],
  [
    "a clusterwide policy is offered a rule that names the peer's namespace",
    {
      explanation: {
        verdict: "denied",
        egress: free,
        ingress: {
          verdict: "denied",
          rules: [],
          defaultDenyBy: [{ ...noForeigners, path: "specs[0]" }],
        },
      },
      ends: { from: frontend, to: backend },
    },
    `shop/frontend -> shop/backend 80/tcp: denied
  egress of shop/frontend: allowed: no policy selects it
  ingress of shop/backend: denied by default: CiliumClusterwideNetworkPolicy no-foreigners isolates it, and no rule allows this
    This rule, in any policy that selects the pod, would allow it:
      ingress:
        - fromEndpoints:
            - matchLabels:
                app: frontend
                k8s:io.kubernetes.pod.namespace: shop
          toPorts:
            - ports:
                - port: '80'
                  protocol: TCP`,
  ],
  [
    "towards an address, a Cilium policy is offered a CIDR rule",
    {
      question: { from: "shop/frontend", to: "203.0.113.10", port: "icmp" },
      explanation: {
        verdict: "denied",
        egress: { verdict: "denied", rules: [], defaultDenyBy: [{ ...frontendOut, path: "spec" }] },
        ingress: { ...free, builtin: "it is outside the cluster" },
      },
      ends: { from: frontend, to: { kind: "address", address: "203.0.113.10" } },
    },
    `shop/frontend -> 203.0.113.10 icmp: denied
  egress of shop/frontend: denied by default: CiliumNetworkPolicy shop/frontend-out isolates it, and no rule allows this
    This rule, in any policy that selects the pod, would allow it:
      egress:
        - toCIDR:
            - 203.0.113.10/32
          icmps:
            - fields:
                - family: IPv4
                  type: 8
                - family: IPv6
                  type: 128
  ingress of 203.0.113.10: allowed: it is outside the cluster`,
  ],
];

for (const [sentence, described, text] of rows) {
  test(sentence, () => {
    const question = { from: "shop/frontend", to: "shop/backend", port: "80/tcp" };
    const objectOf = ({ name }: RuleView) => objects[name];
    assert.equal(describe({ question, objectOf, ...described }), text);
  });
}
