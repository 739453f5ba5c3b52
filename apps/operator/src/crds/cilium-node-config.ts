// CiliumNodeConfig: settings for the agents of some nodes, in place of those of the ConfigMap.
import { ageColumn, define, described, list, object, record, text } from "./schema.ts";

const selector = object({
  matchLabels: record(text),
  matchExpressions: list(
    object({
      "key!": text,
      "operator!": { ...text, enum: ["In", "NotIn", "Exists", "DoesNotExist"] },
      values: list(text),
    }),
  ),
});

export const ciliumNodeConfig = define({
  kind: "CiliumNodeConfig",
  plural: "ciliumnodeconfigs",
  olderVersions: ["v2alpha1"],
  shortNames: [],
  scope: "Namespaced",
  statusSubresource: false,
  columns: [ageColumn],
  schema: object({
    apiVersion: text,
    kind: text,
    metadata: { type: "object" },
    "spec!": object({
      "defaults!": described(
        "keys of the agent's configuration; read when an agent starts",
        record(text),
      ),
      "nodeSelector!": described("labels of the nodes; an empty selector selects all", selector),
    }),
  }),
});
