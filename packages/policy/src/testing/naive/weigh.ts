// Opinions into a verdict: the admin tier's first match, then the normal tier, then the baseline's first match.
import { type Encounter, peerLabels } from "./encounter.ts";
import { type L7Entry, type NaiveRuleSet, together } from "./l7.ts";
import type { Opinion, RuleOpinion } from "./opinion.ts";
import type { Settings } from "./world.ts";

export type Weighed = {
  readonly verdict: "allowed" | "denied";
  readonly rules: readonly string[];
  readonly defaultDeny: readonly string[];
  /** Allowed as far as a proxy that enforces these lets it through. */
  readonly l7?: Omit<NaiveRuleSet, "audit">;
};

export function weigh(
  encounter: Encounter,
  opinions: readonly Opinion[],
  settings: Settings,
): Weighed {
  const isInit = encounter.subject.init === true;
  if (settings.enablePolicy === "never" && !isInit) return allowed([]);
  return (
    firstMatch(opinions, "admin") ??
    normalTier(encounter, opinions, settings) ??
    firstMatch(opinions, "baseline") ??
    allowed([])
  );
}

/** The first rule that matches decides; "pass" leaves it to the tiers below. */
function firstMatch(opinions: readonly Opinion[], tier: "admin" | "baseline"): Weighed | undefined {
  const ordered = opinions
    .filter((opinion) => opinion.tier === tier)
    .sort((a, b) => a.priority - b.priority || (a.policy < b.policy ? -1 : 1));
  for (const opinion of ordered)
    for (const rule of opinion.rules)
      if (rule.matches) {
        if (rule.verdict === "pass") return undefined;
        const name = `${opinion.policy} ${rule.path}`;
        return rule.verdict === "deny" ? denied([name]) : allowed([name]);
      }
  return undefined;
}

/** Denies first, whatever allows say; then allows; then, for who is isolated, nothing else. */
function normalTier(
  encounter: Encounter,
  opinions: readonly Opinion[],
  settings: Settings,
): Weighed | undefined {
  const normal = opinions.filter(({ tier }) => tier === "normal");
  const matching = (verdict: RuleOpinion["verdict"]) =>
    normal.flatMap(({ policy, rules }) =>
      rules
        .filter((rule) => rule.matches && rule.verdict === verdict && !rule.l7)
        .map(({ path }) => `${policy} ${path}`),
    );
  const denies = matching("deny");
  if (denies.length > 0) return denied(denies);
  const allows = matching("allow");
  if (settings.allowLocalhost && encounter.direction === "ingress" && isOwnNode(encounter))
    return allowed([...allows, "(allow-localhost)"]);
  const proxied = throughProxy(normal);
  if (proxied) return proxied;
  if (allows.length > 0) return allowed(allows);
  const isolating = normal
    .filter(({ isolates }) => isolates)
    .map(({ policy, path }) => `${policy} ${path}`);
  const isAlwaysIsolated = settings.enablePolicy === "always" || encounter.subject.init === true;
  if (isolating.length === 0 && !isAlwaysIsolated) return undefined;
  return { verdict: "denied", rules: [], defaultDeny: isolating };
}

/** L7 rules come before plain ones, which widen them only when they are written for the same ports. */
function throughProxy(normal: readonly Opinion[]): Weighed | undefined {
  const allows = normal
    .toSorted((a, b) => (a.policy < b.policy ? -1 : a.policy > b.policy ? 1 : 0))
    .flatMap(({ policy, rules }) =>
      rules
        .filter(({ matches, verdict }) => matches && verdict === "allow")
        .map(({ path, l7, forms = [] }) => ({ rule: `${policy} ${path}`, l7, forms })),
    );
  const entries = allows.flatMap(({ l7, ...rest }) => (l7 ? [{ ...rest, ...l7 }] : []));
  const rules = together<L7Entry & (typeof entries)[number]>(entries);
  const [first] = rules;
  if (!first) return undefined;
  const written = new Set(rules.flatMap(({ forms }) => forms));
  const opener = allows.find(({ l7, forms }) => !l7 && forms.some((form) => written.has(form)));
  const openedBy = opener?.rule;
  const names = [...rules.map(({ rule }) => rule), ...(openedBy === undefined ? [] : [openedBy])];
  return { ...allowed(names), l7: { kind: first.kind, rules, openedBy } };
}

function isOwnNode(encounter: Encounter): boolean {
  return peerLabels(encounter).some(({ source, key }) => source === "reserved" && key === "host");
}

function allowed(rules: readonly string[]): Weighed {
  return { verdict: "allowed", rules, defaultDeny: [] };
}

function denied(rules: readonly string[]): Weighed {
  return { verdict: "denied", rules, defaultDeny: [] };
}
