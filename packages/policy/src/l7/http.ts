// What an HTTP rule set says of a request, as the proxies do: docs/policy-l7.md.
import { RE2JS } from "re2js";
import type { HeaderMatch, HttpRule, HttpRuleSet } from "../model.ts";
import { decideSni } from "./sni.ts";
import type { HttpRequest, L7Decision, SecretValue } from "./request.ts";
import { normalizeHost, normalizeTarget } from "./target.ts";

/** What is done to a request that goes on. */
export type HeaderChange =
  | { readonly action: "add" | "replace"; readonly name: string; readonly value: string }
  | { readonly action: "delete"; readonly name: string }
  /** Only told. */
  | { readonly action: "log"; readonly name: string };

export type HttpDecision = L7Decision & {
  /** 403: no rule; 400: the request is not one that rules can be asked about. */
  readonly status: 200 | 400 | 403;
  /** Of 400. */
  readonly reason?: string;
  /** Path and query that the server gets. */
  readonly target: string;
  /** Of the rule that let it through. */
  readonly changes: readonly HeaderChange[];
};

/** Decides about one request. `secretValue`: without it no secret is there. */
export function decideHttp(
  ruleSet: HttpRuleSet,
  request: HttpRequest,
  secretValue: SecretValue = () => undefined,
): HttpDecision {
  const { audit, denyRule } = ruleSet;
  const read = readRequest(request);
  if (typeof read === "string")
    return {
      allowed: false,
      audit: false,
      rule: 0,
      status: 400,
      reason: read,
      target: request.target,
      changes: [],
    };
  const { target } = read;
  const found = isServerNameAllowed(ruleSet, request)
    ? ruleSet.rules.find(({ match }) => matchHttpRule(match, read, secretValue))
    : undefined;
  if (found) {
    const changes = changesOf(found.match, read, secretValue);
    return { allowed: true, audit: false, rule: found.rule, status: 200, target, changes };
  }
  const denied = { allowed: audit, audit, rule: denyRule, target, changes: [] };
  return { ...denied, status: audit ? 200 : 403 };
}

/** A request as rules see it. */
type ReadRequest = {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  /** Lines by name in lower case. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
};

/** @returns why it is refused */
function readRequest(request: HttpRequest): ReadRequest | string {
  const { method, port } = request;
  if (!tokenSyntax.test(method)) return "has a method that is none";
  const target = normalizeTarget(request.target, method);
  if (!target.ok) return target.reason;
  const given = request.host === undefined ? undefined : normalizeHost(request.host, port);
  if (request.host !== undefined && given === undefined) return "has a host that is none";
  const named = target.authority === undefined ? undefined : normalizeHost(target.authority, port);
  if (given !== undefined && named !== undefined && given !== named)
    return "has a host other than its target's";
  const headers = new Map<string, string[]>();
  for (const [name, value] of request.headers ?? []) {
    const key = name.toLowerCase();
    if (!tokenSyntax.test(name) || key === "host") return "has a header that is none";
    if (/[^\t\x20-\x7e\x80-\xff]/.test(value)) return "has a control character in a header";
    headers.set(key, [...(headers.get(key) ?? []), value.replace(/^[\t ]+|[\t ]+$/g, "")]);
  }
  return { method, target: target.text, host: named ?? given ?? "", headers };
}

const tokenSyntax = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

function isServerNameAllowed(
  { serverNames, denyRule, ...base }: HttpRuleSet,
  request: HttpRequest,
) {
  if (serverNames === undefined) return true;
  const rules = serverNames.map((serverName) => ({ rule: 1, match: { serverName } }));
  const { direction } = base;
  const asked = { serverName: request.serverName };
  return decideSni({ kind: "sni", direction, audit: false, denyRule, rules }, asked).allowed;
}

function matchHttpRule(rule: HttpRule, request: ReadRequest, secretValue: SecretValue): boolean {
  return (
    matches(rule.path, request.target) &&
    matches(rule.method, request.method) &&
    matches(rule.host, request.host) &&
    rule.headers.every(
      (match) => match.mismatch !== "deny" || hasHeader(match, request, secretValue),
    )
  );
}

function matches(expression: string | undefined, text: string): boolean {
  return expression === undefined || compiled(expression).matches(text);
}

/** Compiling takes longer than matching. Bounded: expressions come from whoever asks. */
const cache = new Map<string, RE2JS>();
const maxCached = 1000;

function compiled(expression: string): RE2JS {
  let found = cache.get(expression);
  if (!found) {
    if (cache.size >= maxCached) cache.clear();
    cache.set(expression, (found = RE2JS.compile(expression)));
  }
  return found;
}

function hasHeader(
  match: HeaderMatch,
  { headers }: ReadRequest,
  secretValue: SecretValue,
): boolean {
  const lines = headers.get(match.name) ?? [];
  if (match.value === undefined && match.secret === undefined) return lines.length > 0;
  const wanted = wantedValue(match, secretValue);
  return wanted !== undefined && lines.length === 1 && lines[0] === wanted;
}

/** The secret's, or what stands in for it. */
function wantedValue({ value, secret }: HeaderMatch, secretValue: SecretValue): string | undefined {
  return (secret && secretValue(secret)) ?? value;
}

function changesOf(
  rule: HttpRule,
  request: ReadRequest,
  secretValue: SecretValue,
): readonly HeaderChange[] {
  return rule.headers.flatMap((match): HeaderChange[] => {
    const { name, mismatch } = match;
    if (mismatch === "deny" || hasHeader(match, request, secretValue)) return [];
    const value = wantedValue(match, secretValue);
    if (mismatch === "log") return [{ action: "log", name }];
    if (value === undefined) return [];
    if (mismatch === "delete") return request.headers.has(name) ? [{ action: "delete", name }] : [];
    return [{ action: mismatch, name, value }];
  });
}
