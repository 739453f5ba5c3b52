// Policies as objects: said twice, or only in audit mode.
import { refKey, type Policy } from "../model.ts";
import { finding, objectName, type Finding } from "./finding.ts";

export function lintAudit(policies: readonly Policy[]): Finding[] {
  return policies
    .filter(({ enforcement }) => enforcement === "audit")
    .map((policy) =>
      finding(
        { policy },
        "",
        "audit",
        "in audit mode: what only this policy denies is let through",
      ),
    );
}

/** The first of several in the order of their names is the one that stays. */
export function lintDuplicates(policies: readonly Policy[]): Finding[] {
  const known = new Map<string, Policy>();
  const sorted = policies.toSorted((a, b) => (refKey(a.ref) < refKey(b.ref) ? -1 : 1));
  return sorted.flatMap((policy) => {
    const { specs, enforcement, denyResponse } = policy;
    const key = JSON.stringify({ specs, enforcement, denyResponse });
    const first = known.get(key);
    if (first === undefined) known.set(key, policy);
    return first && refKey(first.ref) !== refKey(policy.ref)
      ? [finding({ policy }, "", "duplicate", `says the same as ${objectName(first.ref)}`)]
      : [];
  });
}
