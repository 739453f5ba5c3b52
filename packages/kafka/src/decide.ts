// Whether a rule set lets a request through. As in Cilium: a rule's conditions on key, version and client id must all
// hold; a rule with a topic allows requests that name no topics, and those whose every topic has such a rule.
import type { KafkaRule, KafkaRuleSet, Numbered } from "@tsilium/policy/model.ts";
import { apiKeys } from "./apis/api.ts";
import type { Decision, JudgedRequest, RequestHeader } from "./model.ts";

export function decide(ruleSet: KafkaRuleSet, { header, topics }: JudgedRequest): Decision {
  const denied: Decision = { allowed: false, rule: ruleSet.denyRule };
  if (isUnreadable(header)) return denied;
  const matching = ruleSet.rules.filter(({ match }) => holdsFor(match, header));
  const rule = ruleFor(matching, topics);
  return rule === undefined ? denied : { allowed: true, rule };
}

/** Whether what this rule set says depends on which topics a request names. */
export function namesTopics(ruleSet: KafkaRuleSet): boolean {
  return ruleSet.rules.some(({ match }) => match.topic !== undefined);
}

/** undefined: nothing allows it. Of several topics, the first one's rule is told. */
function ruleFor(
  rules: readonly Numbered<KafkaRule>[],
  topics: JudgedRequest["topics"],
): number | undefined {
  switch (topics.kind) {
    case "none":
      return rules[0]?.rule;
    case "all":
    case "unknown":
      return rules.find(({ match }) => match.topic === undefined)?.rule;
    case "named": {
      const allowing = topics.names.map((name) => ruleForTopic(rules, name));
      return allowing.includes(undefined) ? undefined : allowing[0];
    }
  }
}

function ruleForTopic(
  rules: readonly Numbered<KafkaRule>[],
  name: string | undefined,
): number | undefined {
  return rules.find(({ match }) => match.topic === undefined || match.topic === name)?.rule;
}

function holdsFor(match: KafkaRule, { apiKey, apiVersion, clientId }: RequestHeader): boolean {
  if (match.apiKeys && !match.apiKeys.includes(apiKey)) return false;
  if (match.apiVersion !== undefined && match.apiVersion !== apiVersion) return false;
  return match.clientId === undefined || match.clientId === clientId;
}

// What comes after it on the connection are tokens without headers, which nothing could be said of.
function isUnreadable({ apiKey, apiVersion }: RequestHeader): boolean {
  return apiKey === apiKeys.saslHandshake && apiVersion === 0;
}
