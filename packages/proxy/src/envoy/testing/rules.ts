// Rule sets for tests, in few words.
import type { HeaderMatch, HttpRule, HttpRuleSet, TlsContext } from "@tsilium/policy/model.ts";
import type { SecretStore } from "../../model.ts";

export const httpRule = (rule: Partial<HttpRule> = {}): HttpRule => ({
  path: undefined,
  method: undefined,
  host: undefined,
  headers: [],
  ...rule,
});

export const header = (name: string, match: Partial<HeaderMatch> = {}): HeaderMatch => ({
  name,
  value: undefined,
  secret: undefined,
  mismatch: "deny",
  ...match,
});

/** Rules are numbered from 11 on, the last one denies as 9. */
export const httpRules = (
  rules: readonly Partial<HttpRule>[],
  rest: Partial<HttpRuleSet> = {},
): HttpRuleSet => ({
  kind: "http",
  direction: "egress",
  audit: false,
  denyRule: 9,
  rules: rules.map((rule, index) => ({ rule: 11 + index, match: httpRule(rule) })),
  tls: { terminating: undefined, originating: undefined },
  serverNames: undefined,
  ...rest,
});

export const tlsContext = (name: string, keys: Partial<TlsContext> = {}): TlsContext => ({
  secret: { namespace: "cilium-secrets", name },
  trustedCa: undefined,
  certificate: undefined,
  privateKey: undefined,
  ...keys,
});

/** A store that can be written to. "namespace/name" -> key -> text. */
export class TestSecrets implements SecretStore {
  readonly #contents = new Map<string, Readonly<Record<string, string>>>();
  readonly #listeners = new Set<(namespace: string, name: string) => void>();

  constructor(contents: Readonly<Record<string, Readonly<Record<string, string>>>> = {}) {
    for (const [key, data] of Object.entries(contents)) this.#contents.set(key, encoded(data));
  }

  get(namespace: string, name: string) {
    return this.#contents.get(`${namespace}/${name}`);
  }

  onChange(listener: (namespace: string, name: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** undefined: it goes. */
  set(key: string, data: Readonly<Record<string, string>> | undefined): void {
    if (data) this.#contents.set(key, encoded(data));
    else this.#contents.delete(key);
    const [namespace = "", name = ""] = key.split("/");
    for (const listener of this.#listeners) listener(namespace, name);
  }
}

function encoded(data: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
  );
}
