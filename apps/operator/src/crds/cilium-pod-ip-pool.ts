// CiliumPodIPPool: addresses for pods in mode multi-pool (docs/ipam.md). Ranges may grow, and be given up once no node has
// any of them; the length of what a node gets at a time stays.
import type { JsonSchema } from "@tsilium/kube";
import { ageColumn, define, described, kept, list, object, text, wholeBetween } from "./schema.ts";

/** Transition rules are the API server's to check (x-kubernetes-validations). */
const fixedMaskSize = [{ rule: "self == oldSelf", message: "maskSize is immutable" }];

function family(name: string, [least, most]: readonly [number, number]): JsonSchema {
  return described(
    `${name} ranges`,
    kept({
      "cidrs!": described(
        "ranges, in order of use",
        list({ ...text, format: "cidr", maxLength: 43 }, { minItems: 1, maxItems: 1000 }),
      ),
      "maskSize!": {
        ...described("length of the CIDR that a node gets at a time", wholeBetween(least, most)),
        "x-kubernetes-validations": fixedMaskSize,
      },
    }),
  );
}

export const ciliumPodIpPool = define({
  kind: "CiliumPodIPPool",
  plural: "ciliumpodippools",
  shortNames: ["cpip"],
  // Whose manifests are still about.
  olderVersions: ["v2alpha1"],
  scope: "Cluster",
  statusSubresource: false,
  columns: [
    { name: "IPv4", type: "string", jsonPath: ".spec.ipv4.cidrs" },
    { name: "IPv6", type: "string", jsonPath: ".spec.ipv6.cidrs" },
    ageColumn,
  ],
  schema: object({
    apiVersion: text,
    kind: text,
    metadata: { type: "object" },
    "spec!": kept({ ipv4: family("IPv4", [1, 32]), ipv6: family("IPv6", [1, 128]) }),
  }),
});
