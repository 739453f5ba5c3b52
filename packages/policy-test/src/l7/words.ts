// Rules of L7 in words, a line each: "GET /public/.* with header x-role: admin".
import { kafkaApiKeys } from "@tsilium/policy";
import type {
  DnsRule,
  HeaderMatch,
  HttpRule,
  KafkaRule,
  RuleSet,
  TlsRules,
} from "@tsilium/policy/model.ts";

/** A rule of a set, and the number that it has there. */
export type RuleWords = { readonly rule: number; readonly words: string };

/** What a set lets through, in its order. */
export function ruleWords(ruleSet: RuleSet): readonly RuleWords[] {
  switch (ruleSet.kind) {
    case "http":
      return ruleSet.rules.map(({ rule, match }) => ({ rule, words: httpWords(match) }));
    case "dns":
      return ruleSet.rules.map(({ rule, match }) => ({ rule, words: dnsWords(match) }));
    case "kafka":
      return ruleSet.rules.map(({ rule, match }) => ({ rule, words: kafkaWords(match) }));
    case "sni":
      return ruleSet.rules.map(({ rule, match }) => ({ rule, words: match.serverName }));
  }
}

/** What two sets have in common exactly when they let the same through, as far as words tell. */
export function setWords(ruleSet: RuleSet): readonly string[] {
  const { kind, audit } = ruleSet;
  const lines = ruleWords(ruleSet).map(({ words }) => `${kind} ${words}`);
  const around =
    kind === "http" ? [...tlsWords(ruleSet.tls), ...nameWords(ruleSet.serverNames)] : [];
  const told = [...new Set(lines.length > 0 ? lines : [`${kind} nothing`]), ...around];
  return audit ? [...told, "audit"] : told;
}

/** Conditions that every request of a set must meet, whatever its rules say. */
export function aroundWords(ruleSet: RuleSet): readonly string[] {
  return ruleSet.kind === "http"
    ? [...tlsWords(ruleSet.tls), ...nameWords(ruleSet.serverNames)]
    : [];
}

function httpWords({ method, path, host, headers }: HttpRule): string {
  const parts = [
    ...(method === undefined ? [] : [method]),
    ...(path === undefined ? [] : [path]),
    ...(host === undefined ? [] : [`of host ${host}`]),
    ...headers.map(headerWords),
  ];
  return parts.length === 0 ? "any request" : parts.join(" ");
}

function headerWords({ name, value, secret, mismatch }: HeaderMatch): string {
  const wanted =
    secret !== undefined
      ? `: (secret ${secret.namespace}/${secret.name})`
      : value === undefined
        ? ""
        : `: ${value}`;
  const otherwise = mismatch === "deny" ? "with" : `(else ${mismatch})`;
  return `${otherwise} header ${name}${wanted}`;
}

function dnsWords({ matchName, matchPattern }: DnsRule): string {
  return matchName ?? matchPattern ?? "";
}

function kafkaWords({ apiKeys, apiVersion, clientId, topic }: KafkaRule): string {
  const parts = [
    ...(apiKeys === undefined ? [] : [apiKeys.map(apiName).join("|")]),
    ...(apiVersion === undefined ? [] : [`version ${apiVersion}`]),
    ...(topic === undefined ? [] : [`topic ${topic}`]),
    ...(clientId === undefined ? [] : [`of client ${clientId}`]),
  ];
  return parts.length === 0 ? "any request" : parts.join(" ");
}

function apiName(key: number): string {
  return [...kafkaApiKeys].find(([, number]) => number === key)?.[0] ?? String(key);
}

function tlsWords({ terminating, originating }: TlsRules): string[] {
  const named = [
    ["TLS taken off with", terminating],
    ["TLS put on with", originating],
  ] as const;
  return named.flatMap(([what, context]) =>
    context ? [`${what} secret ${context.secret.namespace}/${context.secret.name}`] : [],
  );
}

function nameWords(serverNames: readonly string[] | undefined): string[] {
  return serverNames === undefined ? [] : [`server names: ${serverNames.join(", ") || "none"}`];
}
