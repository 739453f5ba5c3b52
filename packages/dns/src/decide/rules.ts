// Which names a rule set lets through.
import { compileDnsPattern, normalizeDnsName, type DnsNameMatcher } from "@tsilium/net";
import type { DnsRuleSet } from "@tsilium/policy/model.ts";

export type Decision = {
  /** "audit": nothing allows it, and it is let through all the same. */
  readonly verdict: "forwarded" | "denied" | "audit";
  /** Numbered<Rule>.rule, or the rule set's denyRule. */
  readonly rule: number;
};

export type Decide = (name: string) => Decision;

/** Names whose decision is remembered; a client that asks for ever new names pays for that itself. */
const rememberedNames = 4_096;

/** Compiles a rule set; names are given lower case and without the final dot. Of rules that match, the first is named. */
export function compileDnsRules({ rules, denyRule, audit }: DnsRuleSet): Decide {
  const exact = new Map<string, number>();
  const patterns: { readonly index: number; readonly matches: DnsNameMatcher }[] = [];
  rules.forEach(({ match }, index) => {
    const { matchName, matchPattern } = match;
    if (matchName !== undefined) {
      const name = normalizeDnsName(matchName);
      if (!exact.has(name)) exact.set(name, index);
    }
    if (matchPattern !== undefined)
      patterns.push({ index, matches: compileDnsPattern({ matchPattern }) });
  });
  const decisions = rules.map(({ rule }): Decision => ({ verdict: "forwarded", rule }));
  const denial: Decision = { verdict: audit ? "audit" : "denied", rule: denyRule };
  const decide = (name: string): Decision => {
    const byName = exact.get(name) ?? rules.length;
    const byPattern = patterns.find(({ index, matches }) => index < byName && matches(name));
    return decisions[byPattern?.index ?? byName] ?? denial;
  };
  return remember(decide);
}

/** Of a listener without rules: it is not known what it should let through. */
export const denyAll: Decide = () => ({ verdict: "denied", rule: 0 });

/** Of connections that were moved to no rules. */
export const allowAll: Decide = () => ({ verdict: "forwarded", rule: 0 });

function remember(decide: Decide): Decide {
  let known = new Map<string, Decision>();
  return (name) => {
    const before = known.get(name);
    if (before) return before;
    const decision = decide(name);
    if (known.size >= rememberedNames) known = new Map();
    known.set(name, decision);
    return decision;
  };
}
