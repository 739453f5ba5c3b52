// Explanations are the compiler's own, and the shape of `tsilium policy explain -o json`; here they get names.
import type { ExplainedRule, ExplainedSide, ExplainedVerdict } from "@tsilium/policy";

export type { Explanation } from "@tsilium/policy";

/** audit: let through and told, since only a policy (or pod) in audit mode denies it. */
export type Verdict = ExplainedVerdict;

/** A rule of an object, or, among `defaultDenyBy`, a spec that isolates. */
export type RuleView = ExplainedRule;

export type DirectionView = ExplainedSide;

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
