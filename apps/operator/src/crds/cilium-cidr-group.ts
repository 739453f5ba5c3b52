// CiliumCIDRGroup: prefixes under a name, for the CIDR sets of many policies.
import { ageColumn, define, described, kept, list, text } from "./schema.ts";

export const ciliumCidrGroup = define({
  kind: "CiliumCIDRGroup",
  plural: "ciliumcidrgroups",
  shortNames: ["ccg"],
  scope: "Cluster",
  statusSubresource: false,
  columns: [ageColumn],
  schema: kept({
    apiVersion: text,
    kind: text,
    metadata: { type: "object" },
    "spec!": kept({
      "externalCIDRs!": described(
        "prefixes outside the cluster",
        list({ ...text, format: "cidr" }),
      ),
    }),
  }),
});
