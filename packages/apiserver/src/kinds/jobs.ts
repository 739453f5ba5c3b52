// batch/v1 Job: its defaults, the labels its pods are known by, and what of it may change.
import { field, type Cause } from "../errors.ts";
import { isRecord, sameJson } from "../objects/json.ts";
import { labelCauses } from "../objects/names.ts";
import type { ApiObject, Fields } from "../objects/object.ts";
import { selectorMatches } from "../objects/selectors.ts";
import { age, ageColumn, durationText, textColumn } from "../table/columns.ts";
import { builtin } from "./builtin.ts";
import type { Kind } from "./kind.ts";
import { defaultPodSpec } from "./pod-defaults.ts";
import { podSpecCauses, podTemplate } from "./pods.ts";
import { labelSelector, seconds, shape } from "./shape.ts";
import { statusField, wideColumns } from "./workloads.ts";

type Template = {
  metadata?: { labels?: Record<string, string> };
  readonly spec: Fields;
};
type Spec = Fields & {
  selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly template: Template;
};

const specOf = (job: ApiObject) => job["spec"] as Spec;
const count = shape.integer(0, 2 ** 31 - 1);

const uidLabel = "batch.kubernetes.io/controller-uid";
const nameLabel = "batch.kubernetes.io/job-name";

/** A Job selects its own pods by its uid, unless its maker has taken that on. */
function selectOwnPods(job: ApiObject): void {
  const spec = specOf(job);
  if (spec["manualSelector"] === true) return;
  const { uid = "", name = "" } = job.metadata;
  spec.template.metadata ??= {};
  spec.template.metadata.labels = {
    ...spec.template.metadata.labels,
    [uidLabel]: uid,
    [nameLabel]: name,
    "controller-uid": uid,
    "job-name": name,
  };
  spec.selector = {
    ...spec.selector,
    matchLabels: { ...spec.selector?.matchLabels, [uidLabel]: uid },
  };
}

function validate(job: ApiObject, before: ApiObject | undefined): Cause[] {
  const spec = specOf(job);
  const labels = spec.template.metadata?.labels ?? {};
  const at = "spec.template";
  const causes = [
    ...labelCauses(labels, `${at}.metadata.labels`),
    ...podSpecCauses(spec.template.spec, `${at}.spec`),
  ];
  const policy = spec.template.spec["restartPolicy"];
  if (policy !== "OnFailure" && policy !== "Never") {
    const valid = 'valid values: "OnFailure", "Never"';
    causes.push(field.required(`${at}.spec.restartPolicy`, valid));
  }
  if (spec.selector === undefined) causes.push(field.required("spec.selector"));
  else if (!selectorMatches(spec.selector, labels))
    causes.push(
      field.invalid(`${at}.metadata.labels`, labels, "`selector` does not match template `labels`"),
    );
  if (spec["completionMode"] === "Indexed" && spec["completions"] === undefined)
    causes.push(field.required("spec.completions", "when completion mode is Indexed"));
  if (before) causes.push(...changeCauses(job, before));
  return causes;
}

function changeCauses(job: ApiObject, before: ApiObject): Cause[] {
  const now = specOf(job);
  const old = specOf(before);
  // A Job that waits and has not run yet may still be told where its pods go.
  const waits = old["suspend"] === true && statusField(before, "startTime") === undefined;
  const names = ["selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex"];
  if (!waits) names.push("template");
  if (now["completionMode"] !== "Indexed") names.push("completions");
  return names
    .filter((name) => !sameJson(now[name], old[name]))
    .map((name) => field.invalid(`spec.${name}`, now[name], "field is immutable"));
}

function completions(job: ApiObject): string {
  const succeeded = Number(statusField(job, "succeeded") ?? 0);
  const wanted = specOf(job)["completions"];
  if (typeof wanted === "number") return `${succeeded}/${wanted}`;
  const parallelism = Number(specOf(job)["parallelism"] ?? 0);
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function duration(job: ApiObject): string {
  const start = statusField(job, "startTime");
  const end = statusField(job, "completionTime");
  if (typeof start !== "string") return "";
  return typeof end === "string"
    ? durationText((Date.parse(end) - Date.parse(start)) / 1000)
    : age(start);
}

export const jobs: Kind = builtin({
  apiVersion: "batch/v1",
  kind: "Job",
  plural: "jobs",
  categories: ["all"],
  subresources: ["status"],
  schema: shape.object({
    "spec!": shape.object({
      parallelism: count,
      completions: count,
      activeDeadlineSeconds: shape.integer(1, Number.MAX_SAFE_INTEGER),
      backoffLimit: shape.integer(0, 2 ** 31 - 1, { default: 6 }),
      completionMode: shape.oneOf(["NonIndexed", "Indexed"], { default: "NonIndexed" }),
      ttlSecondsAfterFinished: seconds,
      suspend: shape.boolean({ default: false }),
      manualSelector: shape.boolean({ default: false }),
      podReplacementPolicy: shape.oneOf(["TerminatingOrFailed", "Failed"], {
        default: "TerminatingOrFailed",
      }),
      selector: labelSelector,
      "template!": podTemplate,
    }),
    status: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
  }),
  selectable: ["status.successful"],
  columns: [
    textColumn("Completions", completions),
    textColumn("Duration", duration),
    ageColumn,
    ...wideColumns,
  ],
  strategy: {
    prepare(job, before) {
      const spec = specOf(job);
      defaultPodSpec(spec.template.spec);
      if (!before) {
        job["status"] = {};
        selectOwnPods(job);
      }
      if (spec["completions"] === undefined && spec["parallelism"] === undefined)
        spec["completions"] = 1;
      spec["parallelism"] ??= 1;
      if (!isRecord(job["status"])) job["status"] = {};
    },
    validate,
  },
});
