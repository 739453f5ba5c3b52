// L7 rules that match together into the one rule set that a proxy enforces. Any of them lets a request through.
import type { HttpRule, KafkaRule, L7Rules, RuleSet, TlsRules } from "../model.ts";

/** Rules that a proxy can enforce; of others nothing gets through. */
export type EnforcedRules = Extract<L7Rules, { protocol: "http" | "kafka" | "dns" | "sni" }>;

/** A rule's share in a set. */
export type Member = { readonly number: number; readonly l7: EnforcedRules };

export type UnionOptions = Pick<RuleSet, "direction" | "audit" | "denyRule"> & {
  /** Of a rule that lets everything through; undefined: none does. */
  readonly openedBy: number | undefined;
};

const anyHttp: HttpRule = { path: undefined, method: undefined, host: undefined, headers: [] };
const anyKafka: KafkaRule = {
  apiKeys: undefined,
  apiVersion: undefined,
  clientId: undefined,
  topic: undefined,
};

/** Those that one listener can enforce together: of the first's kind, with the TLS of the first that has some. */
export function compatible<Rule extends Member>(members: readonly Rule[]): readonly Rule[] {
  const kept: Rule[] = [];
  for (const member of members)
    if (kept.every((other) => goWith(other.l7, member.l7))) kept.push(member);
  return kept;
}

/** Members are compatible, in order. */
export function unite(members: readonly Member[], options: UnionOptions): RuleSet {
  const { openedBy, ...base } = options;
  const rules = members.map(({ l7 }) => l7);
  switch (rules[0]?.protocol) {
    case "http":
      return {
        ...base,
        kind: "http",
        rules: numbered(members, (l7) => (l7.protocol === "http" ? l7.rules : []), {
          openedBy,
          open: anyHttp,
        }),
        tls: tlsOf(rules),
        serverNames: openedBy === undefined ? serverNamesOf(rules) : undefined,
      };
    case "kafka":
      return {
        ...base,
        kind: "kafka",
        rules: numbered(members, (l7) => (l7.protocol === "kafka" ? l7.rules : []), {
          openedBy,
          open: anyKafka,
        }),
      };
    case "dns":
      return {
        ...base,
        kind: "dns",
        rules: numbered(members, (l7) => (l7.protocol === "dns" ? l7.rules : []), {
          openedBy,
          open: { matchPattern: "*" },
        }),
      };
    case "sni":
      return {
        ...base,
        kind: "sni",
        rules: numbered(members, sniRules, { openedBy, open: { serverName: "*" } }),
      };
    case undefined:
      throw new RangeError("no rules to unite");
  }
}

function sniRules(l7: EnforcedRules): { readonly serverName: string }[] {
  return l7.protocol === "sni" ? l7.serverNames.map((serverName) => ({ serverName })) : [];
}

/** The same said twice by one rule is said once. */
function numbered<Match>(
  members: readonly Member[],
  matchesOf: (l7: EnforcedRules) => readonly Match[],
  { openedBy, open }: { readonly openedBy: number | undefined; readonly open: Match },
): { readonly rule: number; readonly match: Match }[] {
  const all = members.flatMap(({ number, l7 }) =>
    matchesOf(l7).map((match) => ({ rule: number, match })),
  );
  if (openedBy !== undefined) all.push({ rule: openedBy, match: open });
  return [...new Map(all.map((one) => [canonicalText(one), one])).values()];
}

/** Two different certificates cannot be shown on one port; a rule that names none takes the other's. */
function goWith(a: EnforcedRules, b: EnforcedRules): boolean {
  if (a.protocol !== b.protocol) return false;
  if (a.protocol !== "http" || b.protocol !== "http") return true;
  const agree = (side: keyof TlsRules) => {
    const [one, other] = [a.tls[side], b.tls[side]];
    return !one || !other || canonicalText(one) === canonicalText(other);
  };
  return agree("terminating") && agree("originating");
}

function tlsOf(rules: readonly EnforcedRules[]): TlsRules {
  const all = rules.flatMap((l7) => (l7.protocol === "http" ? [l7.tls] : []));
  return {
    terminating: all.find(({ terminating }) => terminating)?.terminating,
    originating: all.find(({ originating }) => originating)?.originating,
  };
}

/** Those that any rule asks for: a rule that asks for none does not let all in where another does. */
function serverNamesOf(rules: readonly EnforcedRules[]): readonly string[] | undefined {
  const lists = rules.flatMap((l7) => (l7.protocol === "http" ? [l7.serverNames ?? []] : []));
  const isRestricted = rules.some((l7) => l7.protocol === "http" && l7.serverNames !== undefined);
  return isRestricted ? [...new Set(lists.flat())] : undefined;
}

/** JSON whose keys are in order. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
