// What a Kafka rule set says of a request.
import type { KafkaRule, KafkaRuleSet } from "../model.ts";
import type { KafkaRequest, L7Decision } from "./request.ts";

/** Decides about one request: for each of its topics there must be a rule. The first topic's rule is told. */
export function decideKafka(ruleSet: KafkaRuleSet, request: KafkaRequest): L7Decision {
  const { audit, denyRule } = ruleSet;
  const rules = topicsOf(request).map((topic) => ruleFor(ruleSet, request, topic));
  const [first] = rules;
  return first !== undefined && rules.every((rule) => rule !== undefined)
    ? { allowed: true, audit: false, rule: first }
    : { allowed: audit, audit, rule: denyRule };
}

/** Of a request about nothing in particular, or about all topics. */
type Topic = string | undefined | typeof everyTopic;
const everyTopic = Symbol("every topic");

function topicsOf({ topics }: KafkaRequest): readonly Topic[] {
  if (topics === "all") return [everyTopic];
  return topics === undefined || topics.length === 0 ? [undefined] : topics;
}

function ruleFor(ruleSet: KafkaRuleSet, request: KafkaRequest, topic: Topic): number | undefined {
  return ruleSet.rules.find(({ match }) => matches(match, request, topic))?.rule;
}

function matches(rule: KafkaRule, request: KafkaRequest, topic: Topic): boolean {
  const { apiKey, apiVersion, clientId } = request;
  return (
    (rule.apiKeys === undefined || rule.apiKeys.includes(apiKey)) &&
    (rule.apiVersion === undefined || rule.apiVersion === apiVersion) &&
    (rule.clientId === undefined || rule.clientId === clientId) &&
    (rule.topic === undefined || topic === undefined || topic === rule.topic)
  );
}
