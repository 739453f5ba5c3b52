import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@tsilium/net";
import { loadAll } from "js-yaml";
import { parsePolicy } from "../parse/parse.ts";
import { objectName, type LintWorld } from "./finding.ts";
import { lintPolicies } from "./lint.ts";

/** Findings on the policies of a file, a line for each. */
function lint(yaml: string, world?: LintWorld): string[] {
  const policies = loadAll(yaml).map((object) => {
    const result = parsePolicy(object, { clusterName: "default" });
    assert.ok(result.ok, JSON.stringify(result));
    return result.policy;
  });
  return lintPolicies(policies, world).map(({ ref, path, code, message }) =>
    [objectName(ref), path, code, message].join(" | ").replaceAll("CiliumNetworkPolicy ", ""),
  );
}

function cnp(name: string, spec: string, annotations = "{}"): string {
  return `---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: ${name}, namespace: shop, annotations: ${annotations} }
spec: ${spec}
`;
}

function cluster(spec: string): string {
  return `---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: { name: c }
spec: { tier: Admin, priority: 1, subject: { namespaces: {} }, ${spec} }
`;
}

const web = "endpointSelector: { matchLabels: { app: web } }";
const port = (number: string, rest = "") =>
  `toPorts: [{ ports: [{ port: "${number}", protocol: TCP }]${rest} }]`;
const dns = `{ toEntities: [cluster], toPorts: [{ ports: [{ port: "53" }], rules: { dns: [{ matchPattern: "*" }] } }] }`;

const cases: [sentence: string, yaml: string, expected: string[]][] = [
  [
    "nothing is said of policies that mean something",
    cnp("a", `{ ${web}, ingress: [{ fromEntities: [host] }] }`),
    [],
  ],
  [
    "an empty rule allows nothing and isolates",
    cnp("a", `{ ${web}, ingress: [{}] }`),
    [
      "shop/a | spec.ingress[0] | matches-nobody | matches nobody, so it allows nothing; ingress that no other rule allows is denied",
    ],
  ],
  [
    "an empty list of peers or ports is nobody or nothing",
    cnp(
      "a",
      `{ ${web}, enableDefaultDeny: { egress: false }, egressDeny: [{ toCIDR: [] }], ingress: [{ fromEntities: [all], toPorts: [] }] }`,
    ),
    [
      "shop/a | spec.ingress[0] | matches-no-port | matches no port, so it allows nothing",
      "shop/a | spec.egressDeny[0] | matches-nobody | matches nobody, so it denies nothing",
    ],
  ],
  [
    "a policy that neither isolates nor has rules does nothing",
    cluster("ingress: []") +
      cnp("b", `{ ${web}, enableDefaultDeny: { ingress: false }, ingress: [{}] }`),
    [
      "ClusterNetworkPolicy c | spec | no-effect | isolates nobody and has no rule that matches",
      "shop/b | spec | no-effect | isolates nobody and has no rule that matches",
      "shop/b | spec.ingress[0] | matches-nobody | matches nobody, so it allows nothing",
    ],
  ],
  [
    "a selector that names another namespace can select nothing",
    cnp(
      "a",
      `{ endpointSelector: { matchLabels: { io.kubernetes.pod.namespace: bank } }, ingress: [{ fromEntities: [host] }] }`,
    ),
    ["shop/a | spec | selects-nothing | its selector cannot be met by anything"],
  ],
  [
    "an allow that a deny of another policy covers",
    cnp("a", `{ ${web}, egress: [{ toCIDR: [10.1.0.0/16], ${port("80")} }] }`) +
      cnp(
        "b",
        `{ endpointSelector: {}, egressDeny: [{ toCIDRSet: [{ cidr: 10.0.0.0/8, except: [10.2.0.0/16] }] }] }`,
      ),
    [
      "shop/a | spec.egress[0] | shadowed-by-deny | shop/b spec.egressDeny[0] denies all that it allows",
    ],
  ],
  [
    "no allow is shadowed by a deny of fewer addresses, fewer ports, fewer pods or in audit mode",
    cnp("a", `{ ${web}, egress: [{ toCIDR: [10.0.0.0/8], ${port("80")} }] }`) +
      cnp(
        "b",
        `{ ${web}, egressDeny: [{ toCIDRSet: [{ cidr: 10.0.0.0/8, except: [10.2.0.0/16] }] }] }`,
      ) +
      cnp("c", `{ ${web}, egressDeny: [{ toCIDR: [0.0.0.0/0], ${port("81")} }] }`) +
      cnp(
        "d",
        `{ endpointSelector: { matchLabels: { app: web, tier: x } }, egressDeny: [{ toCIDR: [0.0.0.0/0] }] }`,
      ) +
      cnp(
        "e",
        `{ ${web}, egressDeny: [{ toEntities: [all] }] }`,
        "{ policy.tsilium.io/enforcement: audit }",
      ),
    ["shop/e |  | audit | in audit mode: what only this policy denies is let through"],
  ],
  [
    "a deny by labels covers an allow of narrower labels, and several ranges one range",
    cnp(
      "a",
      `{ ${web}, ingress: [{ fromEndpoints: [{ matchLabels: { app: x, tier: y } }], toPorts: [{ ports: [{ port: "10", endPort: 20, protocol: TCP }] }] }],
         ingressDeny: [{ fromEndpoints: [{ matchExpressions: [{ key: app, operator: In, values: [x, z] }, { key: tier, operator: Exists }] }],
           toPorts: [{ ports: [{ port: "16", endPort: 99, protocol: TCP }, { port: "1", endPort: 15, protocol: TCP }] }] }] }`,
    ),
    [
      "shop/a | spec.ingress[0] | shadowed-by-deny | shop/a spec.ingressDeny[0] denies all that it allows",
    ],
  ],
  [
    "an L7 rule beside an L4 rule for the same port does not look into anything",
    cnp(
      "a",
      `{ ${web}, ingress: [{ fromEndpoints: [{}], ${port("80", ", rules: { http: [{ method: GET }] }")} }, { ${port("80")} }] }`,
    ),
    [
      "shop/a | spec.ingress[0].toPorts[0] | l7-shadowed | shop/a spec.ingress[1] allows the same without looking into it",
    ],
  ],
  [
    "CVE-2024-52529 beside one for all ports, a range or another peer it does",
    cnp(
      "a",
      `{ ${web}, ingress: [{ fromEndpoints: [{}], ${port("80", ", rules: { http: [{ method: GET }] }")} }, { fromEndpoints: [{}] },
         { toPorts: [{ ports: [{ port: "1", endPort: 99, protocol: TCP }] }] }, { fromEndpoints: [{ matchLabels: { a: b } }], ${port("80")} }] }`,
    ),
    [],
  ],
  [
    "rules of two protocols for the same port: only the first holds",
    cnp("b", `{ endpointSelector: {}, ingress: [{ ${port("80", ", rules: { http: [{}] }")} }] }`) +
      cnp("c", `{ ${web}, ingress: [{ ${port("80", ", rules: { kafka: [{}] }")} }] }`),
    [
      "shop/c | spec.ingress[0].toPorts[0] | l7-conflict | shop/b spec.ingress[0].toPorts[0] has rules of http for the same: this rule allows nothing",
    ],
  ],
  [
    "an empty list of requests is none",
    cnp(
      "a",
      `{ ${web}, egress: [{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [] } },
         { ports: [{ port: "81", protocol: TCP }], serverNames: [] }, { ports: [{ port: "82", protocol: TCP }], rules: { kafka: [] } }] }] }`,
    ),
    [
      "shop/a | spec.egress[0].toPorts[0] | matches-no-request | lists no request of http, so it lets nothing through",
      "shop/a | spec.egress[0].toPorts[1] | matches-no-request | lists no server name, so it lets nothing through",
      "shop/a | spec.egress[0].toPorts[2] | matches-no-request | lists no request of kafka, so it lets nothing through",
    ],
  ],
  [
    "what no proxy enforces is told",
    cnp(
      "a",
      `{ ${web}, egress: [{ ${port("80", ", rules: { l7proto: r2d2, l7: [] }")} }, { authentication: { mode: required }, ${port("81")} },
         { ${port("82", ", listener: { envoyConfig: { name: a }, name: b }")} }] }`,
    ),
    [
      "shop/a | spec.egress[0].toPorts[0] | not-enforced | no proxy here understands its protocol: the rule allows nothing",
      "shop/a | spec.egress[1] | not-enforced | mutual authentication is not there: the rule allows nothing",
      "shop/a | spec.egress[2].toPorts[0] | not-enforced | listeners of CiliumEnvoyConfig are not there: the rule allows nothing",
    ],
  ],
  [
    "rules by DNS name need one that lets answers be seen",
    cnp("a", `{ ${web}, egress: [{ toFQDNs: [{ matchName: a.b }] }] }`),
    [
      "shop/a | spec.egress[0] | fqdn-without-dns | no rule with rules.dns applies to these endpoints: addresses of names stay unknown",
    ],
  ],
  [
    "which may stand in another policy that applies to the same endpoints",
    cnp("a", `{ ${web}, egress: [{ toFQDNs: [{ matchName: a.b }] }] }`) +
      cnp("b", `{ endpointSelector: {}, egress: [${dns}] }`),
    [],
  ],
  [
    "a rule of an administrator that an earlier one of the same object covers is never reached",
    cluster(
      `ingress: [{ action: Pass, from: [{ namespaces: {} }] }, { action: Deny, from: [{ namespaces: { matchLabels: { team: a } } }] }, { action: Accept, from: [{ namespaces: {} }], protocols: [{ tcp: { destinationPort: { number: 80 } } }] }]`,
    ),
    [
      "ClusterNetworkPolicy c | spec.ingress[1] | never-reached | spec.ingress[0] matches first all that it matches",
      "ClusterNetworkPolicy c | spec.ingress[2] | never-reached | spec.ingress[0] matches first all that it matches",
    ],
  ],
  [
    "two policies that say the same",
    cnp("b", `{ ${web}, ingress: [{ fromEntities: [host] }] }`) +
      cnp("a", `{ ${web}, ingress: [{ fromEntities: [host] }] }`),
    ["shop/b |  | duplicate | says the same as shop/a"],
  ],
  [
    "host policies are not enforced yet",
    `{ apiVersion: cilium.io/v2, kind: CiliumClusterwideNetworkPolicy, metadata: { name: h }, spec: { nodeSelector: {}, ingress: [{ fromEntities: [host] }] } }`,
    [
      "CiliumClusterwideNetworkPolicy h | spec | host-policy | selects nodes: not enforced without a host firewall",
    ],
  ],
];

for (const [sentence, yaml, expected] of cases)
  test(sentence, () => assert.deepEqual(lint(yaml), expected));

test("with the endpoints that there are, selectors that select none of them are told", () => {
  const endpoints = [Labels.parse(["k8s:app=web", "k8s:io.kubernetes.pod.namespace=shop"])];
  const yaml =
    cnp(
      "a",
      `{ ${web}, ingress: [{ fromEndpoints: [{ matchLabels: { app: web } }, { matchLabels: { app: gone } }, { matchLabels: { "reserved:ingress": "" } }] }] }`,
    ) +
    cnp(
      "b",
      `{ endpointSelector: { matchLabels: { app: gone } }, ingress: [{ fromEntities: [host] }] }`,
    );
  assert.deepEqual(lint(yaml), []);
  assert.deepEqual(lint(yaml, { endpoints }), [
    "shop/a | spec.ingress[0] | peer-selects-nothing | no endpoint is selected by any:app In gone, k8s:io.kubernetes.pod.namespace In shop",
    "shop/b | spec | selects-nothing | selects none of the endpoints",
  ]);
});

test("labels that are not part of identities are told, where it is known which are", () => {
  const yaml = cnp(
    "a",
    `{ endpointSelector: { matchLabels: { pod-template-hash: x } }, ingress: [{ fromEndpoints: [{ matchLabels: { controller-uid: y } }] }] }`,
  );
  assert.deepEqual(lint(yaml, { countsForIdentity: ({ key }) => key.startsWith("io.") }), [
    "shop/a | spec | label-ignored | label pod-template-hash is not part of identities: nobody has it",
    "shop/a | spec.ingress[0] | label-ignored | label controller-uid is not part of identities: nobody has it",
  ]);
});
