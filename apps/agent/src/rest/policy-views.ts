// Policy as the REST API shows it.
import type { LabelSelector, Requirement, RuleName } from "@tsilium/policy/model.ts";
import type { NamedRule, ObjectReport } from "../policy/model.ts";
import type { SelectorReport } from "../policy/questions.ts";

export type ProblemView = { readonly path: string; readonly message: string };

export type PolicyObjectView = {
  readonly kind: string;
  /** "" for objects without a namespace. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  /** The agent's own count of changes of policy, when this object last changed. */
  readonly revision: number;
  readonly valid: boolean;
  /** The generation that counts; absent when none does. */
  readonly enforcedGeneration?: number;
  readonly problems: readonly ProblemView[];
  readonly warnings: readonly ProblemView[];
};

export function policyObjectView(report: ObjectReport): PolicyObjectView {
  const { ref, enforcedGeneration, problems, warnings, ...rest } = report;
  return {
    ...ref,
    ...rest,
    ...(enforcedGeneration === undefined ? {} : { enforcedGeneration }),
    problems: problems.map(problemView),
    warnings: warnings.map(problemView),
  };
}

/** What a rule's number stands for. `name` is for people; the rest is what it is made of. */
export type RuleNumberView = { readonly number: number; readonly name: string } & RuleName;

export function ruleNumberView({ number, name }: NamedRule): RuleNumberView {
  return { number, name: ruleText(name), ...name };
}

/** "CiliumNetworkPolicy shop/web spec.ingress[0]", "default deny of NetworkPolicy shop/isolate", "allow-localhost" */
export function ruleText(name: RuleName): string {
  switch (name.kind) {
    case "rule":
      return `${objectText(name.ref)} ${name.path}`;
    case "default-deny":
      return `default deny of ${name.by.map(({ ref }) => objectText(ref)).join(", ")}`;
    case "builtin":
      return name.reason;
  }
}

export type SelectorView = {
  readonly selector: string;
  /** How many it matches. */
  readonly identities: number;
  /** Policies in the kernel that look for it. */
  readonly slots: number;
};

export function selectorView({ selector, identities, slots }: SelectorReport): SelectorView {
  return { selector: selectorText(selector), identities: identities.length, slots };
}

/** "k8s:app=web, k8s:tier in (a, b), !k8s:old"; "everybody" */
export function selectorText(selector: LabelSelector): string {
  return selector.length === 0 ? "everybody" : selector.map(requirementText).join(", ");
}

function requirementText({ source, key, operator, values }: Requirement): string {
  const label = `${source}:${key}`;
  switch (operator) {
    case "In":
      return values.length === 1 ? `${label}=${values[0]}` : `${label} in (${values.join(", ")})`;
    case "NotIn":
      return `${label} not in (${values.join(", ")})`;
    case "Exists":
      return label;
    case "DoesNotExist":
      return `!${label}`;
  }
}

function objectText({ kind, namespace, name }: ObjectReport["ref"]): string {
  return `${kind} ${namespace === "" ? name : `${namespace}/${name}`}`;
}

function problemView({ path, message }: ProblemView): ProblemView {
  return { path, message };
}
