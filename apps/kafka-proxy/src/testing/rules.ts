// Rule sets, in few words.
import type { KafkaRule, KafkaRuleSet } from "@tsilium/policy/model.ts";

/** Rules numbered from 1, denials 99; whatever is not said of a rule is any. */
export function ruleSetOf(
  rules: readonly Partial<KafkaRule>[],
  { audit = false }: { readonly audit?: boolean } = {},
): KafkaRuleSet {
  const any = { apiKeys: undefined, apiVersion: undefined, clientId: undefined, topic: undefined };
  return {
    kind: "kafka",
    direction: "egress",
    audit,
    denyRule: 99,
    rules: rules.map((rule, index) => ({ rule: index + 1, match: { ...any, ...rule } })),
  };
}
