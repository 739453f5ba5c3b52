// CiliumIdentity: a set of labels and, in its name, the number that stands for them.
import { ageColumn, define, described, object, record, text } from "./schema.ts";

export const ciliumIdentity = define({
  kind: "CiliumIdentity",
  plural: "ciliumidentities",
  shortNames: ["ciliumid"],
  scope: "Cluster",
  statusSubresource: true,
  columns: [
    {
      name: "Namespace",
      type: "string",
      description: "namespace of the pods that have the identity",
      jsonPath: ".metadata.labels.io\\.kubernetes\\.pod\\.namespace",
    },
    ageColumn,
  ],
  schema: object({
    apiVersion: text,
    kind: text,
    metadata: { type: "object" },
    "security-labels!": described("labels of the identity, source and key to value", record(text)),
  }),
});
