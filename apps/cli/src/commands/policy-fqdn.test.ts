import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@tsilium/net";
import { parsePolicy } from "@tsilium/policy";
import { labeller } from "./policy-fqdn.ts";

const parsed = parsePolicy(
  {
    apiVersion: "cilium.io/v2",
    kind: "CiliumNetworkPolicy",
    metadata: { name: "names", namespace: "shop" },
    spec: {
      endpointSelector: {},
      egress: [{ toFQDNs: [{ matchPattern: "*.shop.example" }, { matchName: "other.example" }] }],
    },
  },
  { clusterName: "default" },
);
assert.ok(parsed.ok);
const policies = [parsed.policy];

const rows: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ["a name that the pattern matches", ["fqdn:api.shop.example"], ["fqdn:*.shop.example"]],
  ["a name that neither matches", ["fqdn:api.example"], []],
  ["of an address that a pattern found, no name is known", ["fqdn:a*.shop.example"], []],
  ["a label that is no name's", ["k8s:api.shop.example"], []],
  ["a text that is there already", ["fqdn:other.example"], []],
];

for (const [what, labels, added] of rows)
  test(`labels of identities under a policy that is not in force: ${what}`, () => {
    const before = Labels.parse([...labels, "reserved:world-ipv4"]);
    assert.deepEqual(labeller(policies)(before), Labels.parse([...before.toArray(), ...added]));
  });
