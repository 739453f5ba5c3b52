// L7 rules short enough for a test's row, and rule sets as one line of text.
import type { HttpRule, L7Rules, RuleName, RuleSet, TlsContext } from "../../model.ts";

export type HttpOptions = {
  /** Names of Secrets. */
  readonly terminating?: string;
  readonly originating?: string;
  readonly serverNames?: readonly string[];
};

/** Each text a path. */
export function http(paths: readonly string[], options: HttpOptions = {}): L7Rules {
  const { terminating, originating, serverNames } = options;
  const context = (name: string | undefined): TlsContext | undefined =>
    name === undefined
      ? undefined
      : {
          secret: { namespace: "", name },
          trustedCa: undefined,
          certificate: undefined,
          privateKey: undefined,
        };
  return {
    protocol: "http",
    rules: paths.map((path): HttpRule => ({
      path,
      method: undefined,
      host: undefined,
      headers: [],
    })),
    tls: { terminating: context(terminating), originating: context(originating) },
    serverNames,
  };
}

/** Each text a topic. */
export function kafka(...topics: readonly string[]): L7Rules {
  const any = { apiKeys: undefined, apiVersion: undefined, clientId: undefined };
  return { protocol: "kafka", rules: topics.map((topic) => ({ ...any, topic })) };
}

/** Each text a pattern. */
export function dns(...patterns: readonly string[]): L7Rules {
  return { protocol: "dns", rules: patterns.map((matchPattern) => ({ matchPattern })) };
}

export function sni(...serverNames: readonly string[]): L7Rules {
  return { protocol: "sni", serverNames };
}

/**
 * "http by p[0] /a, q[1] any; deny by p and q": what lets requests through, and whose default deny it is. With TLS
 * "tls=secret" and "to=secret", with server names "names=a|b", in audit mode "audit" first.
 */
export function ruleSetText(ruleSet: RuleSet, nameText: (rule: number) => string): string {
  const { kind, audit, rules, denyRule } = ruleSet;
  const by = (rules as readonly { rule: number; match: object }[]).map(
    ({ rule, match }) => `${nameText(rule)} ${matchText(match)}`,
  );
  return [
    `${audit ? "audit " : ""}${kind} by ${by.join(", ") || "nobody"}`,
    ...(ruleSet.kind === "http" ? httpText(ruleSet) : []),
    `deny by ${nameText(denyRule)}`,
  ].join("; ");
}

function httpText({ tls, serverNames }: Extract<RuleSet, { kind: "http" }>): string[] {
  return [
    ...(tls.terminating ? [`tls=${tls.terminating.secret.name}`] : []),
    ...(tls.originating ? [`to=${tls.originating.secret.name}`] : []),
    ...(serverNames ? [`names=${serverNames.join("|")}`] : []),
  ];
}

function matchText(match: object): string {
  const values = Object.values(match).filter(
    (value) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  return values.join(" ") || "any";
}

/** "p[0]", "q[1]" of a rule, "p[0] and q[1]" of a default deny. */
export function ruleText(name: RuleName | undefined): string {
  const text = (one: { readonly ref: { readonly name: string }; readonly path: string }) =>
    `${one.ref.name}${one.path.replace("spec.rules", "")}`;
  if (name?.kind === "rule") return text(name);
  return name?.kind === "default-deny" ? name.by.map(text).join(" and ") : "nothing known";
}
