// core/v1 Namespace: Active until deleted, then Terminating until its contents are gone and the namespace
// controller has finalized it.
import { dnsLabel } from "../objects/names.ts";
import { isRecord } from "../objects/json.ts";
import { ageColumn, textColumn } from "../table/columns.ts";
import { builtin } from "./builtin.ts";
import type { Kind } from "./kind.ts";
import { conditions, shape } from "./shape.ts";

/** They exist from the start and cannot be deleted. */
export const systemNamespaces = [
  "default",
  "kube-system",
  "kube-public",
  "kube-node-lease",
] as const;

const isSystem = (name: string | undefined) =>
  systemNamespaces.some((reserved) => reserved === name);

export const namespaces: Kind = builtin({
  apiVersion: "v1",
  kind: "Namespace",
  plural: "namespaces",
  shortNames: ["ns"],
  clusterWide: true,
  nameRule: dnsLabel,
  subresources: ["status", "finalize"],
  schema: shape.object({
    spec: shape.object({ finalizers: shape.list(shape.string()) }, { default: {} }),
    status: shape.object({ phase: shape.oneOf(["Active", "Terminating"]), conditions }),
  }),
  selectable: ["status.phase"],
  columns: [
    textColumn("Status", (object) =>
      isRecord(object["status"]) ? object["status"]["phase"] : undefined,
    ),
    ageColumn,
  ],
  strategy: {
    prepare(object, before) {
      object.metadata.labels = {
        ...object.metadata.labels,
        "kubernetes.io/metadata.name": object.metadata.name ?? "",
      };
      // Only the finalize subresource changes the list.
      object["spec"] = before ? before["spec"] : { finalizers: ["kubernetes"] };
      if (!before) object["status"] = { phase: "Active" };
    },
    markDeleted(object) {
      object["status"] = { ...(object["status"] as object), phase: "Terminating" };
    },
    undeletable: (object) =>
      isSystem(object.metadata.name) ? "this namespace may not be deleted" : undefined,
  },
});
