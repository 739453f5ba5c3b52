// What a DNS rule set says of a question.
import { compileDnsPattern, normalizeDnsName } from "@tsilium/net";
import type { DnsRuleSet } from "../model.ts";
import type { DnsRequest, L7Decision } from "./request.ts";

/** Decides about one question. `name` as text, with or without the final dot, in any case. */
export function decideDns(ruleSet: DnsRuleSet, { name }: DnsRequest): L7Decision {
  const { audit, denyRule } = ruleSet;
  const wanted = normalizeDnsName(name);
  const found = ruleSet.rules.find(({ match }) => compileDnsPattern(match)(wanted));
  return found
    ? { allowed: true, audit: false, rule: found.rule }
    : { allowed: audit, audit, rule: denyRule };
}
