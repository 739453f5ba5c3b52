// The twin's part about L7: which rules a proxy enforces together, and what its rule set says.
import type { Direction, PortMatch, Rule, RuleName, RuleSet, Tier } from "../../model.ts";

/** A rule set with names instead of numbers. */
export type TwinRuleSet = {
  readonly kind: string;
  readonly direction: Direction;
  readonly audit: boolean;
  readonly rules: readonly { readonly rule: string; readonly match: unknown }[];
  /** Secrets' names. */
  readonly tls: readonly (string | undefined)[];
  readonly serverNames: readonly string[] | undefined;
  readonly deniedBy: readonly string[];
};

/** L7 rules that hold together, and a plain rule that makes them let everything through. */
export type L7Outcome = {
  readonly rules: readonly NamedRule[];
  readonly opener: RuleName | undefined;
};
export type NamedRule = { readonly rule: Rule; readonly name: Extract<RuleName, { kind: "rule" }> };

/** It goes through a proxy. */
export function isL7({ l7, verdict }: Rule): boolean {
  return l7 !== undefined && verdict === "allow";
}

/** Only allows of the normal tier go through proxies, of four kinds. A deny is decided at L4 whatever else it says. */
export function isUnderstood({ l7, verdict }: Rule, tier: Tier): boolean {
  if (!l7) return true;
  if (tier !== "normal") return false;
  if (verdict === "deny") return true;
  return verdict === "allow" && ["http", "kafka", "dns", "sni"].includes(l7.protocol);
}

/** Those that a rule's proxy speaks; undefined: it needs none. */
export function protocolsOf(rule: Rule): number[] | undefined {
  if (!isL7(rule)) return undefined;
  return rule.l7?.protocol === "dns" ? [6, 17] : [6];
}

export function protocolOf(port: PortMatch): number {
  if (port.kind === "icmp") return port.family === 4 ? 1 : 58;
  return port.protocol;
}

/** Of several kinds that of the first rule, with the first certificates. */
export function holdingTogether(rules: readonly NamedRule[]): NamedRule[] {
  const kept: NamedRule[] = [];
  for (const one of rules) {
    const clashes = kept.some(({ rule: { l7 } }) => {
      const own = one.rule.l7;
      if (l7?.protocol !== own?.protocol) return true;
      if (l7?.protocol !== "http" || own?.protocol !== "http") return false;
      return (["terminating", "originating"] as const).some((side) => {
        const [before, now] = [l7.tls[side]?.secret.name, own.tls[side]?.secret.name];
        return before !== undefined && now !== undefined && before !== now;
      });
    });
    if (!clashes) kept.push(one);
  }
  return kept;
}

export function ruleSetOf(
  { rules, opener }: L7Outcome,
  direction: Direction,
  audit: boolean,
): TwinRuleSet {
  const kind = rules[0]?.rule.l7?.protocol as string;
  const said = rules.flatMap(({ rule: { l7 }, name }) => {
    const matches =
      l7?.protocol === "sni"
        ? l7.serverNames.map((serverName) => ({ serverName }))
        : l7 && "rules" in l7
          ? l7.rules
          : [];
    return matches.map((match) => ({ rule: textOfRule(name), match: plain(match) }));
  });
  const open = { dns: { matchPattern: "*" }, sni: { serverName: "*" }, http: { headers: [] } }[
    kind
  ];
  if (opener) said.push({ rule: textOfRule(opener), match: open ?? {} });
  const ofHttp = rules.flatMap(({ rule: { l7 } }) => (l7?.protocol === "http" ? [l7] : []));
  const asking = ofHttp.filter(({ serverNames }) => serverNames !== undefined);
  return {
    kind,
    direction,
    audit,
    rules: said.filter(
      (one, at) => said.findIndex((other) => JSON.stringify(other) === JSON.stringify(one)) === at,
    ),
    tls: (["terminating", "originating"] as const).map(
      (side) => ofHttp.find(({ tls }) => tls[side])?.tls[side]?.secret.name,
    ),
    serverNames:
      opener || asking.length === 0
        ? undefined
        : [...new Set(asking.flatMap(({ serverNames }) => serverNames ?? []))],
    deniedBy: [...new Set(rules.map(({ name }) => textOfRule(name)))],
  };
}

/** Numbers replaced by what they stand for, to be compared with the twin's. */
export function namedRuleSet(
  ruleSet: RuleSet,
  nameOf: (rule: number) => RuleName | undefined,
): TwinRuleSet {
  const { kind, direction, audit, denyRule } = ruleSet;
  const deny = nameOf(denyRule);
  return {
    kind,
    direction,
    audit,
    rules: ruleSet.rules.map(({ rule, match }) => ({
      rule: textOfRule(nameOf(rule)),
      match: plain(match),
    })),
    tls:
      ruleSet.kind === "http"
        ? [ruleSet.tls.terminating?.secret.name, ruleSet.tls.originating?.secret.name]
        : [undefined, undefined],
    serverNames: ruleSet.kind === "http" ? ruleSet.serverNames : undefined,
    deniedBy:
      deny?.kind === "default-deny"
        ? deny.by.map(({ ref, path }) => textOfRule({ kind: "rule", ref, path }))
        : [],
  };
}

/** Without what is undefined. */
function plain(match: object): object {
  return JSON.parse(JSON.stringify(match)) as object;
}

function textOfRule(name: RuleName | undefined): string {
  if (name?.kind !== "rule") return "no rule";
  return `${name.ref.kind}/${name.ref.namespace}/${name.ref.name} ${name.path}`;
}
