// apps/v1: Deployment, ReplicaSet, DaemonSet (and StatefulSet, in its own file). They share a selector, a pod template and most rules.
import { field, type Cause } from "../errors.ts";
import { isRecord, sameJson } from "../objects/json.ts";
import { labelCauses } from "../objects/names.ts";
import type { ApiObject, Fields } from "../objects/object.ts";
import { selectorMatches } from "../objects/selectors.ts";
import { ageColumn, countColumn, textColumn } from "../table/columns.ts";
import { builtin } from "./builtin.ts";
import type { Kind, Strategy } from "./kind.ts";
import { defaultPodSpec } from "./pod-defaults.ts";
import { podSpecCauses, podTemplate } from "./pods.ts";
import { conditions, labelSelector, seconds, shape } from "./shape.ts";

type Labels = Record<string, string>;
type Template = { readonly metadata?: { readonly labels?: Labels }; readonly spec: Fields };
type Spec = Fields & {
  readonly replicas?: number;
  readonly selector: { readonly matchLabels?: Labels; readonly matchExpressions?: [] };
  readonly template: Template;
};

const specOf = (object: ApiObject) => object["spec"] as Spec;
export const statusField = (object: ApiObject, name: string) =>
  isRecord(object["status"]) ? object["status"][name] : undefined;

export const replicas = shape.integer(0, 100_000, { default: 1 });
export const common = {
  "selector!": labelSelector,
  "template!": podTemplate,
  minReadySeconds: seconds,
};
export const status = shape.object(
  { conditions },
  { "x-kubernetes-preserve-unknown-fields": true },
);

function validate(object: ApiObject, before: ApiObject | undefined): Cause[] {
  const { selector, template } = specOf(object);
  const labels = template.metadata?.labels ?? {};
  const causes = [
    ...labelCauses(labels, "spec.template.metadata.labels"),
    ...podSpecCauses(template.spec, "spec.template.spec"),
  ];
  const empty =
    Object.keys(selector.matchLabels ?? {}).length === 0 &&
    (selector.matchExpressions ?? []).length === 0;
  if (empty) {
    causes.push(field.invalid("spec.selector", selector, "empty selector is invalid"));
  } else if (!selectorMatches(selector, labels)) {
    causes.push(
      field.invalid(
        "spec.template.metadata.labels",
        labels,
        "`selector` does not match template `labels`",
      ),
    );
  }
  if (template.spec["restartPolicy"] !== "Always") {
    causes.push(
      field.notSupported("spec.template.spec.restartPolicy", template.spec["restartPolicy"], [
        "Always",
      ]),
    );
  }
  if (before && !sameJson(selector, specOf(before).selector)) {
    causes.push(field.invalid("spec.selector", selector, "field is immutable"));
  }
  return causes;
}

export const strategy: Strategy = {
  prepare(object, before) {
    if (!before) object["status"] = {};
    defaultPodSpec(specOf(object).template.spec);
  },
  validate,
};

function selectorText(object: ApiObject): string {
  return Object.entries(specOf(object).selector.matchLabels ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}

export const wideColumns = [
  textColumn("Containers", (object) => containerField(object, "name"), 1),
  textColumn("Images", (object) => containerField(object, "image"), 1),
  textColumn("Selector", selectorText, 1),
];

function containerField(object: ApiObject, name: string): string {
  return (specOf(object).template.spec["containers"] as Fields[])
    .map((entry) => String(entry[name]))
    .join(",");
}

export const deployments: Kind = builtin({
  apiVersion: "apps/v1",
  kind: "Deployment",
  plural: "deployments",
  shortNames: ["deploy"],
  categories: ["all"],
  subresources: ["status", "scale"],
  schema: shape.object({
    "spec!": shape.object({
      ...common,
      replicas,
      strategy: shape.object(
        {
          type: shape.oneOf(["RollingUpdate", "Recreate"], { default: "RollingUpdate" }),
          rollingUpdate: shape.object({
            maxSurge: shape.intOrString,
            maxUnavailable: shape.intOrString,
          }),
        },
        { default: {} },
      ),
      revisionHistoryLimit: shape.integer(0, 2 ** 31 - 1, { default: 10 }),
      progressDeadlineSeconds: shape.integer(1, 2 ** 31 - 1, { default: 600 }),
      paused: shape.boolean(),
    }),
    status,
  }),
  columns: [
    textColumn(
      "Ready",
      (object) => `${Number(statusField(object, "readyReplicas") ?? 0)}/${specOf(object).replicas}`,
    ),
    countColumn("Up-to-date", (object) => statusField(object, "updatedReplicas")),
    countColumn("Available", (object) => statusField(object, "availableReplicas")),
    ageColumn,
    ...wideColumns,
  ],
  strategy: {
    ...strategy,
    prepare(object, before) {
      strategy.prepare?.(object, before);
      const rollout = specOf(object)["strategy"] as Fields;
      if (rollout["type"] === "RollingUpdate") {
        rollout["rollingUpdate"] = {
          maxSurge: "25%",
          maxUnavailable: "25%",
          ...(rollout["rollingUpdate"] as object),
        };
      }
    },
  },
});

export const replicaSets: Kind = builtin({
  apiVersion: "apps/v1",
  kind: "ReplicaSet",
  plural: "replicasets",
  shortNames: ["rs"],
  categories: ["all"],
  subresources: ["status", "scale"],
  schema: shape.object({ "spec!": shape.object({ ...common, replicas }), status }),
  selectable: ["status.replicas"],
  columns: [
    countColumn("Desired", (object) => specOf(object).replicas),
    countColumn("Current", (object) => statusField(object, "replicas")),
    countColumn("Ready", (object) => statusField(object, "readyReplicas")),
    ageColumn,
    ...wideColumns,
  ],
  strategy,
});

function nodeSelectorText(object: ApiObject): string | undefined {
  const selector = specOf(object).template.spec["nodeSelector"];
  if (!isRecord(selector)) return undefined;
  const terms = Object.entries(selector).map(([key, value]) => `${key}=${String(value)}`);
  return terms.toSorted().join(",") || undefined;
}

export const daemonSets: Kind = builtin({
  apiVersion: "apps/v1",
  kind: "DaemonSet",
  plural: "daemonsets",
  shortNames: ["ds"],
  categories: ["all"],
  subresources: ["status"],
  schema: shape.object({
    "spec!": shape.object({
      ...common,
      updateStrategy: shape.object(
        {
          type: shape.oneOf(["RollingUpdate", "OnDelete"], { default: "RollingUpdate" }),
          rollingUpdate: shape.object({
            maxSurge: shape.intOrString,
            maxUnavailable: shape.intOrString,
          }),
        },
        { default: {} },
      ),
      revisionHistoryLimit: shape.integer(0, 2 ** 31 - 1, { default: 10 }),
    }),
    status,
  }),
  columns: [
    countColumn("Desired", (object) => statusField(object, "desiredNumberScheduled")),
    countColumn("Current", (object) => statusField(object, "currentNumberScheduled")),
    countColumn("Ready", (object) => statusField(object, "numberReady")),
    countColumn("Up-to-date", (object) => statusField(object, "updatedNumberScheduled")),
    countColumn("Available", (object) => statusField(object, "numberAvailable")),
    textColumn("Node Selector", nodeSelectorText),
    ageColumn,
    ...wideColumns,
  ],
  strategy: {
    ...strategy,
    prepare(object, before) {
      strategy.prepare?.(object, before);
      const update = specOf(object)["updateStrategy"] as Fields;
      if (update["type"] === "RollingUpdate") {
        update["rollingUpdate"] = {
          maxSurge: 0,
          maxUnavailable: 1,
          ...(update["rollingUpdate"] as object),
        };
      }
    },
  },
});
