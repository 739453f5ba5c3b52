// ClusterNetworkPolicy of the Kubernetes network policy group: rules of administrators, before and after those of
// namespaces. Upstream its short name is "cnp", which is CiliumNetworkPolicy's here, as in everybody's fingers: it has none.
import type { JsonSchema } from "@tsilium/kube";
import { selector } from "./policy/selector.ts";
import {
  ageColumn,
  choice,
  define,
  described,
  exactlyOne,
  kept,
  list,
  metaConditions,
  object,
  text,
  wholeBetween,
} from "./schema.ts";

/** An object with one of these fields and no other: one that is unknown here counts too. */
const one = (fields: Readonly<Record<string, JsonSchema>>) =>
  kept(fields, { ...exactlyOne(...Object.keys(fields)), maxProperties: 1 });
const oneTo25 = { minItems: 1, maxItems: 25 };

const pods = {
  namespaces: described("all pods of the namespaces with these labels", selector),
  pods: kept({ namespaceSelector: selector, "podSelector!": selector }),
};

const destination = one({
  number: wholeBetween(1, 65535),
  range: kept({ "start!": wholeBetween(1, 65535), "end!": wholeBetween(1, 65535) }),
});
const protocol = kept({ destinationPort: destination }, { minProperties: 1 });
const protocols = list(
  one({ tcp: protocol, udp: protocol, sctp: protocol, destinationNamedPort: text }),
  oneTo25,
);

const domainName: JsonSchema = {
  ...text,
  pattern:
    "^(\\*\\.)?([a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\\.)+[a-zA-Z0-9]([-a-zA-Z0-9_]*[a-zA-Z0-9])?\\.?$",
};
const destinations = {
  ...pods,
  nodes: described("nodes by their labels", selector),
  networks: described(
    "addresses, whoever has them",
    list({ ...text, format: "cidr", maxLength: 43 }, oneTo25),
  ),
  domainNames: list(domainName, oneTo25),
};

const common = {
  name: { ...text, maxLength: 100 },
  "action!": described("Pass: the next tier decides", choice("Accept", "Deny", "Pass")),
  protocols,
};
const inOrder = (rule: JsonSchema) =>
  described("the first that matches decides", list(rule, { maxItems: 25 }));

export const clusterNetworkPolicy = define({
  group: "policy.networking.k8s.io",
  version: "v1alpha2",
  kind: "ClusterNetworkPolicy",
  plural: "clusternetworkpolicies",
  shortNames: [],
  scope: "Cluster",
  statusSubresource: true,
  annotations: {
    "api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/network-policy-api/pull/347",
  },
  columns: [
    { name: "Tier", type: "string", jsonPath: ".spec.tier" },
    { name: "Priority", type: "string", jsonPath: ".spec.priority" },
    ageColumn,
  ],
  schema: kept({
    apiVersion: text,
    kind: text,
    metadata: { type: "object" },
    "spec!": kept({
      "tier!": choice("Admin", "Baseline"),
      "priority!": described("lower comes first within a tier", wholeBetween(0, 1000)),
      "subject!": one(pods),
      ingress: inOrder(kept({ ...common, "from!": list(one(pods), oneTo25) })),
      egress: inOrder(kept({ ...common, "to!": list(one(destinations), oneTo25) })),
    }),
    status: object({
      conditions: metaConditions,
    }),
  }),
});
