// What `tsilium policy explain -o json` prints and an agent's GET /v1/policy/explain answers: a verdict per direction
// and what decided it. Scripts read this shape: it stays as it is.

/** audit: let through and told, since only a policy (or pod) in audit mode denies it. */
export type Verdict = "allowed" | "denied" | "audit";

/** A rule of an object, or, among `defaultDenyBy`, a spec that isolates. */
export type RuleView = {
  readonly kind: string;
  /** "" for objects without a namespace. */
  readonly namespace: string;
  readonly name: string;
  /** "spec.ingress[0]"; "spec" or "specs[1]" of a default deny. */
  readonly path: string;
};

export type DirectionView = {
  readonly verdict: Verdict;
  /** What decided, first, and what else says the same. */
  readonly rules: readonly RuleView[];
  /** Nothing allowed it, and these select the pod. */
  readonly defaultDenyBy: readonly RuleView[];
  /** Where no object decided: "no policy selects it", "not a pod", "allow-localhost", ... */
  readonly builtin?: string;
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
