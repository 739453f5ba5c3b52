// What is legal in policies and hardly meant. Judges parsed policies against each other and, where it is told, against
// what there is in the cluster. Pure.
import { refKey, type Policy } from "../model.ts";
import type { Finding, LintWorld, PlacedRule, PlacedSpec } from "./finding.ts";
import { lintFqdns } from "./fqdns.ts";
import { lintAudit, lintDuplicates } from "./objects.ts";
import { lintEffect, lintRule } from "./rules.ts";
import { lintConflicts, lintOrder, lintShadows } from "./shadows.ts";
import { lintPeers, lintSubject } from "./subjects.ts";

/**
 * Findings on these policies, in the policies' order. It needs all policies that apply side by side (those of a
 * cluster, or at least of a file): what shadows a rule, or goes with it, may stand in another object. Without a world
 * nothing is said of selectors that select nothing, but for those that cannot. Where one thing is not sure to follow
 * from another, nothing is said.
 */
export function lintPolicies(policies: readonly Policy[], world: LintWorld = {}): Finding[] {
  const specs = policies.flatMap((policy) =>
    policy.specs.map((spec): PlacedSpec => ({ policy, spec })),
  );
  const rules = specs.flatMap((placed) =>
    placed.spec.rules.map((rule): PlacedRule => ({ ...placed, rule })),
  );
  const found = [
    ...lintAudit(policies),
    ...lintDuplicates(policies),
    ...specs.flatMap((placed) => [
      ...lintSubject(placed, world),
      ...lintEffect(placed),
      ...lintOrder(placed),
    ]),
    ...rules.flatMap((placed) => [...lintRule(placed), ...lintPeers(placed, world)]),
    ...lintShadows(rules),
    ...lintConflicts(rules),
    ...lintFqdns(rules),
  ];
  const order = new Map(policies.map(({ ref }, index) => [refKey(ref), index]));
  const rank = ({ ref }: Finding) => order.get(refKey(ref)) ?? 0;
  return found.toSorted((a, b) => rank(a) - rank(b));
}
