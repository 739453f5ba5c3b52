// CiliumLoadBalancerIPPool: addresses that services of type LoadBalancer are given (docs/lb-ipam.md). What no schema can
// say, that a run ends before it starts for one, `judgePool` does.
import type { JsonSchema } from "@tsilium/kube";
import { selector } from "./policy/selector.ts";
import {
  ageColumn,
  choice,
  define,
  described,
  flag,
  kept,
  list,
  metaConditions,
  object,
  text,
} from "./schema.ts";

const address: JsonSchema = { ...text, anyOf: [{ format: "ipv4" }, { format: "ipv6" }] };

const block = described(
  "a CIDR, or the addresses from start to stop",
  kept(
    {
      cidr: { ...text, format: "cidr", maxLength: 43 },
      start: described("first address", address),
      stop: described("last address; absent: start alone", address),
    },
    {
      oneOf: [{ required: ["cidr"], not: { required: ["stop"] } }, { required: ["start"] }],
    },
  ),
);

export const ciliumLoadBalancerIpPool = define({
  kind: "CiliumLoadBalancerIPPool",
  plural: "ciliumloadbalancerippools",
  shortNames: ["ippool", "ippools", "lbippool", "lbippools"],
  // Whose manifests are still about.
  olderVersions: ["v2alpha1"],
  scope: "Cluster",
  statusSubresource: true,
  columns: [
    { name: "Disabled", type: "boolean", jsonPath: ".spec.disabled" },
    {
      name: "Conflicting",
      type: "string",
      jsonPath: '.status.conditions[?(@.type=="cilium.io/PoolConflict")].status',
    },
    {
      name: "IPs Available",
      type: "string",
      jsonPath: '.status.conditions[?(@.type=="cilium.io/IPsAvailable")].message',
    },
    ageColumn,
  ],
  schema: kept({
    apiVersion: text,
    kind: text,
    metadata: { type: "object" },
    "spec!": kept({
      blocks: described("addresses, in order of use", list(block, { maxItems: 1000 })),
      serviceSelector: described("services that may have them; absent: all", selector),
      allowFirstLastIPs: described(
        "No: the first and the last address of a CIDR are not given, unless it has only two",
        choice("Yes", "No"),
      ),
      disabled: described("nothing more is given; what is stays", { ...flag, default: false }),
    }),
    status: object({ conditions: metaConditions }),
  }),
});
