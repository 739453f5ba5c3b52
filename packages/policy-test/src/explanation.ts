// Explanations are the compiler's own, and the shape of `tsilium policy explain -o json`; here they get names.
import type { ExplainedRule, ExplainedSide, ExplainedVerdict } from "@tsilium/policy";

/** audit: let through and told, since only a policy (or pod) in audit mode denies it. */
export type Verdict = ExplainedVerdict;

/** A rule of an object, or, among `defaultDenyBy`, a spec that isolates. */
export type RuleView = ExplainedRule;

export type DirectionView = ExplainedSide & {
  /** Through a proxy: what it lets through and, where one was asked about, what it does with a request. */
  readonly l7?: NonNullable<ExplainedSide["l7"]> & { readonly request?: RequestView };
};

export type RequestView = {
  readonly kind: "http" | "dns" | "kafka" | "sni";
  readonly verdict: Verdict;
  /** Before any rule was asked, and why: "has a fragment". */
  readonly refused?: string;
};

export type Explanation = {
  readonly verdict: Verdict;
  readonly egress: DirectionView;
  readonly ingress: DirectionView;
};

/** What becomes of a packet that two ends judge. */
export function worse(first: Verdict, second: Verdict): Verdict {
  const worst = (["denied", "audit"] as const).find((one) => one === first || one === second);
  return worst ?? "allowed";
}

/** "NetworkPolicy shop/isolate" */
export function objectName({ kind, namespace, name }: Omit<RuleView, "path">): string {
  return `${kind} ${namespace === "" ? name : `${namespace}/${name}`}`;
}

/** "CiliumNetworkPolicy shop/deny-x spec.ingressDeny[0]" */
export function ruleName(rule: RuleView): string {
  return `${objectName(rule)} ${rule.path}`;
}
