// What is wrong with policies in files: what the API server of a lab would say of each. No agent, no cluster.
import { OfflineJudge } from "@tsilium/apiserver/offline.ts";
import { policyDefinitions } from "../../../operator/src/crds/install.ts";
import { policyAdmissions, policyJudges } from "../../../operator/src/policies/judge.ts";
import type { Document, Unreadable } from "./documents.ts";

export type Finding = {
  /** As Kubernetes names fields; "" for the object as a whole. */
  readonly path: string;
  readonly message: string;
  readonly line: number;
};

export type CheckedPolicy = {
  readonly file: string;
  /** Where the object begins. */
  readonly line: number;
  readonly kind: string;
  /** Absent for kinds without. */
  readonly namespace?: string;
  readonly name: string;
  readonly valid: boolean;
  readonly problems: readonly Finding[];
  readonly warnings: readonly Finding[];
};

export type Skipped = { readonly file: string; readonly line: number; readonly what: string };

export type Report = {
  readonly policies: readonly CheckedPolicy[];
  /** Objects of other kinds. */
  readonly skipped: readonly Skipped[];
  /** Texts that are no YAML. */
  readonly unreadable: readonly Unreadable[];
};

const clusterWide: ReadonlySet<unknown> = new Set(
  policyDefinitions
    .filter(({ spec }) => spec.scope === "Cluster")
    .map(({ spec }) => spec.names.kind),
);

export function checkPolicies(documents: readonly (Document | Unreadable)[]): Report {
  const judge = new OfflineJudge({
    definitions: policyDefinitions,
    admissions: policyAdmissions(),
  });
  const report = {
    policies: [] as CheckedPolicy[],
    skipped: [] as Skipped[],
    unreadable: [] as Unreadable[],
  };
  for (const document of documents) {
    if (!("value" in document)) report.unreadable.push(document);
    else if (isPolicy(document.value)) report.policies.push(check(document, judge));
    else report.skipped.push(skip(document));
  }
  return report;
}

const kinds = Object.keys(policyJudges());

/** By group and kind: a version that there is none of is a fault, not a reason to look away. */
export function isPolicy(value: unknown): boolean {
  const { apiVersion, kind } = fieldsOf(value);
  return kinds.includes(`${textOf(apiVersion).split("/", 1)[0]}/${textOf(kind)}`);
}

function check({ file, lines, value }: Document, judge: OfflineJudge): CheckedPolicy {
  const { kind, metadata } = fieldsOf(value);
  const { name, generateName, namespace } = fieldsOf(metadata);
  const { causes, warnings } = judge.judge(structuredClone(value)) ?? { causes: [], warnings: [] };
  return {
    file,
    line: lines.of(""),
    kind: textOf(kind),
    ...(clusterWide.has(kind) ? {} : { namespace: textOf(namespace) || "default" }),
    name: textOf(name) || textOf(generateName),
    valid: causes.length === 0,
    problems: causes.map(({ field = "", message }) => ({
      path: field,
      message,
      line: lines.of(field),
    })),
    warnings: warnings.map((text) => finding(text, lines)),
  };
}

/** A warning comes as the API server sends it: "path: message". */
function finding(text: string, lines: Document["lines"]): Finding {
  const [, path = "", message = text] = /^((?:metadata|specs?)[^ ]*): (.*)$/s.exec(text) ?? [];
  return { path, message, line: lines.of(path) };
}

function skip({ file, lines, value }: Document): Skipped {
  const { kind, metadata } = fieldsOf(value);
  const { name } = fieldsOf(metadata);
  const what = `${textOf(kind) || "something without a kind"} ${textOf(name)}`.trim();
  return { file, line: lines.of(""), what };
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
