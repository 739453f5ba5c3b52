// What one policy object (or one of its `specs`) has to say of an encounter.

export type RuleOpinion = {
  readonly verdict: "allow" | "deny" | "pass";
  /** "spec.ingress[0]" */
  readonly path: string;
  readonly matches: boolean;
};

export type Opinion = {
  /** "CiliumNetworkPolicy/shop/allow-web" */
  readonly policy: string;
  /** "spec" or "specs[1]" */
  readonly path: string;
  readonly tier: "admin" | "normal" | "baseline";
  readonly priority: number;
  /** Only a policy in audit mode says so. */
  readonly audit: boolean;
  /** In this direction the subject is denied what no rule allows. */
  readonly isolates: boolean;
  /** In the object's order, of this direction. */
  readonly rules: readonly RuleOpinion[];
};
