import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "js-yaml";
import { secretKey } from "./model.ts";
import { secretsOf } from "./refs.ts";

const ports = `ports: [{ port: "443", protocol: TCP }]`;
const tls = (more: string) =>
  `{ endpointSelector: {}, egress: [{ toPorts: [{ ${ports}, ${more} }] }] }`;

/** what it is about, namespace ("" for cluster-wide), spec, Secrets */
const rows: readonly (readonly [string, string, string, readonly string[]])[] = [
  [
    "no rule at layer 7",
    "shop",
    `{ endpointSelector: {}, ingress: [{ fromEndpoints: [{}] }] }`,
    [],
  ],
  [
    "TLS of both sides and headers, each Secret once",
    "shop",
    tls(
      `terminatingTLS: { secret: { name: shown } }, originatingTLS: { secret: { namespace: trust, name: servers } },
       rules: { http: [{ path: /a, headerMatches: [{ name: x, secret: { name: token } }, { name: y, secret: { name: shown } }] }] }`,
    ),
    ["shop/shown", "trust/servers", "shop/token"],
  ],
  [
    "a cluster-wide policy says the namespace",
    "",
    tls(`terminatingTLS: { secret: { namespace: shop, name: shown } }`),
    ["shop/shown"],
  ],
  [
    "nothing of an invalid policy is enforced",
    "shop",
    tls(`terminatingTLS: { secret: { name: shown } }, rules: { http: [{ path: "(" }] }`),
    [],
  ],
];

for (const [what, namespace, spec, expected] of rows)
  test(what, () => {
    const policy = {
      apiVersion: "cilium.io/v2",
      kind: namespace === "" ? "CiliumClusterwideNetworkPolicy" : "CiliumNetworkPolicy",
      metadata: { name: "p", ...(namespace === "" ? {} : { namespace }) },
      spec: load(spec),
    };
    assert.deepEqual(secretsOf(policy, { clusterName: "default" }).map(secretKey), expected);
  });
