// What one policy object (or one of its `specs`) has to say of an encounter.
import type { L7Entry } from "./l7.ts";

export type RuleOpinion = {
  readonly verdict: "allow" | "deny" | "pass";
  /** "spec.ingress[0]" */
  readonly path: string;
  readonly matches: boolean;
  /** Only through a proxy. */
  readonly l7?: L7Entry;
  /** How it writes the ports by which it matches, "TCP 80-80"; empty: it names none. */
  readonly forms?: readonly string[];
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
