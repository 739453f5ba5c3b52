// Which Secrets a rule set names: nothing else is ever asked for.
import type { RuleSet, SecretRef } from "@tsilium/policy/model.ts";

/** Every Secret that the rule set names, once. */
export function secretRefs(ruleSet: RuleSet): SecretRef[] {
  if (ruleSet.kind !== "http") return [];
  const { terminating, originating } = ruleSet.tls;
  const named = [
    terminating?.secret,
    originating?.secret,
    ...ruleSet.rules.flatMap(({ match }) => match.headers.map(({ secret }) => secret)),
  ];
  const once = new Map<string, SecretRef>();
  for (const ref of named)
    if (ref) once.set(`${ref.namespace}/${ref.name}`, { namespace: ref.namespace, name: ref.name });
  return [...once.values()];
}
