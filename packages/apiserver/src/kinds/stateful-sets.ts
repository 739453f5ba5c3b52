// apps/v1: StatefulSet, and ControllerRevision, the past templates of those and of DaemonSets.
import { field } from "../errors.ts";
import { sameJson } from "../objects/json.ts";
import type { Fields } from "../objects/object.ts";
import { ageColumn, textColumn } from "../table/columns.ts";
import { builtin } from "./builtin.ts";
import type { Kind } from "./kind.ts";
import { shape } from "./shape.ts";
import { common, replicas, status, statusField, strategy, wideColumns } from "./workloads.ts";

const retention = shape.oneOf(["Retain", "Delete"], { default: "Retain" });

export const statefulSets: Kind = builtin({
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  plural: "statefulsets",
  shortNames: ["sts"],
  categories: ["all"],
  subresources: ["status", "scale"],
  schema: shape.object({
    "spec!": shape.object({
      ...common,
      replicas,
      serviceName: shape.string(),
      podManagementPolicy: shape.oneOf(["OrderedReady", "Parallel"], { default: "OrderedReady" }),
      updateStrategy: shape.object(
        {
          type: shape.oneOf(["RollingUpdate", "OnDelete"], { default: "RollingUpdate" }),
          rollingUpdate: shape.object({ maxUnavailable: shape.intOrString }),
        },
        { default: {} },
      ),
      revisionHistoryLimit: shape.integer(0, 2 ** 31 - 1, { default: 10 }),
      volumeClaimTemplates: shape.list(shape.anyObject),
      persistentVolumeClaimRetentionPolicy: shape.object(
        { whenDeleted: retention, whenScaled: retention },
        { default: {} },
      ),
    }),
    status,
  }),
  columns: [
    textColumn(
      "Ready",
      (object) =>
        `${Number(statusField(object, "readyReplicas") ?? 0)}/${Number((object["spec"] as Fields)["replicas"])}`,
    ),
    ageColumn,
    ...wideColumns.filter((column) => column.name !== "Selector"),
  ],
  strategy: {
    ...strategy,
    prepare(object, before) {
      strategy.prepare?.(object, before);
      const update = (object["spec"] as Fields)["updateStrategy"] as Fields;
      if (update["type"] === "RollingUpdate")
        update["rollingUpdate"] = { partition: 0, ...(update["rollingUpdate"] as object) };
    },
    validate(object, before) {
      const causes = strategy.validate?.(object, before) ?? [];
      if (before && !sameJson(fixed(object["spec"] as Fields), fixed(before["spec"] as Fields))) {
        causes.push(
          field.forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
          ),
        );
      }
      return causes;
    },
  },
});

/** What of a StatefulSet's spec cannot be changed. */
function fixed(spec: Fields): Fields {
  const {
    replicas: _replicas,
    ordinals: _ordinals,
    template: _template,
    updateStrategy: _updateStrategy,
    revisionHistoryLimit: _limit,
    persistentVolumeClaimRetentionPolicy: _policy,
    minReadySeconds: _seconds,
    selector: _selector,
    ...rest
  } = spec;
  return rest;
}

export const controllerRevisions: Kind = builtin({
  apiVersion: "apps/v1",
  kind: "ControllerRevision",
  plural: "controllerrevisions",
  schema: shape.object({
    "revision!": shape.integer(0, Number.MAX_SAFE_INTEGER),
    data: shape.anyObject,
  }),
  columns: [
    textColumn("Controller", ({ metadata }) => {
      const owner = metadata.ownerReferences?.find((reference) => reference.controller === true);
      if (!owner) return undefined;
      const [group] = owner.apiVersion.includes("/") ? owner.apiVersion.split("/") : [""];
      return `${owner.kind.toLowerCase()}${group === "" ? "" : `.${group}`}/${owner.name}`;
    }),
    { name: "Revision", type: "integer", value: (object) => object["revision"] },
    ageColumn,
  ],
  strategy: {
    validate: (object, before) =>
      before && !sameJson(object["data"], before["data"])
        ? [field.invalid("data", object["data"], "field is immutable")]
        : [],
  },
});
