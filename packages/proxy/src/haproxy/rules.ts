// Rule sets as entries of HAProxy's maps. What a request is matched by is one line of text, its subject:
//
//   METHOD HOST TARGET                    while the listener has no rules that ask about anything else
//   METHOD HOST TARGET .SNI HEADERS       while it has, about headers or server names ("extended")
//
// No part of it but the headers has a blank, and expressions match none (toPcre), so each matches its own part and no
// other. The headers are a line each, with an empty one before and after them (header-lines.ts). An entry's value is the
// verdict:
//
//   a, A    allowed, and the server is spoken to as it is, or in TLS
//   b, B    the same, after headers are changed
//   u, U    the same as the first, let through by audit
//   d       denied
//
// followed by the number of the rule, in TLS by ":SERVERS:", and by ",TAG,LIST" when headers are changed.
import {
  type HeaderMatch,
  type HttpRuleSet,
  type SniRuleSet,
  toPcre,
} from "@tsilium/policy/model.ts";
import type { SecretStore } from "../model.ts";
import { headerValue, type HeaderValue } from "../secrets/index.ts";
import { hasHeader, hasHeaderOnce } from "./header-lines.ts";
import type { MapEntry } from "./maps.ts";
import { serverNameExpression } from "./server-names.ts";

export type HttpEntries = {
  readonly entries: readonly MapEntry[];
  /** What headers.lua needs to change headers, if any are; undefined: the rule set is not extended. */
  readonly spec: string | undefined;
  /** Sentences: conditions that cannot hold. */
  readonly notes: readonly string[];
};

export type EntryOptions = {
  /** Of this version of the listener's rules, letters and digits: a verdict of one is never carried out by another. */
  readonly tag: string;
  readonly secrets: SecretStore;
  /** Which servers are spoken to in TLS; undefined: none. */
  readonly servers: string | undefined;
};

/** Verdict of what no entry matches: of a listener without rules. */
export const noVerdict = "d0";
const any = "[!-~]*+";
const blank = "\\x20";

/** Rules in their order: the first that matches decides. */
export function httpEntries(
  { rules, serverNames, denyRule, audit }: HttpRuleSet,
  { tag, secrets, servers }: EntryOptions,
): HttpEntries {
  const verdict = (letter: "a" | "b" | "u", rule: number): string =>
    servers === undefined ? `${letter}${rule}` : `${letter.toUpperCase()}${rule}:${servers}:`;
  const conditions = new Conditions(secrets);
  const allowed = rules.flatMap(({ rule, match }) => {
    const needed = conditions.neededBy(match.headers);
    if (needed === undefined) return [];
    const changes = conditions.addChanges(match.headers);
    const value =
      changes === undefined ? verdict("a", rule) : `${verdict("b", rule)},${tag},${changes}`;
    const parts = [part(match.method), part(match.host), part(match.path)];
    return [{ expression: parts.join(blank), value, needed }];
  });
  const { notes } = conditions;
  const last = { key: "^", value: audit ? verdict("u", denyRule) : `d${denyRule}` };

  if (serverNames === undefined && rules.every(({ match }) => match.headers.length === 0)) {
    // The subject may be a longer one while rules that are extended come or go.
    const entries = allowed.map(({ expression, value }) => ({
      key: `^${expression}(?:${blank}|\\z)`,
      value,
    }));
    return { entries: [...entries, last], spec: undefined, notes };
  }
  const names = serverNames === undefined ? any : eitherOf(serverNames.map(serverNameExpression));
  const entries = allowed.map(({ expression, value, needed }) => ({
    key: `^${expression}${blank}\\.${names}\\.?\\r\\n${needed}`,
    value,
  }));
  return { entries: [...entries, last], spec: conditions.spec(tag), notes };
}

/** Of none: nothing matches. */
function eitherOf(expressions: readonly string[]): string {
  return expressions.length === 0 ? "(?!)" : `(?:${expressions.join("|")})`;
}

/** The subject is the handshake's name, with a "." before it, so that it is there where there is no name. */
export function sniEntries({ rules, denyRule, audit }: SniRuleSet): MapEntry[] {
  return [
    ...rules.map(({ rule, match }) => ({
      key: `^\\.${serverNameExpression(match.serverName)}\\.?\\z`,
      value: `a${rule}`,
    })),
    { key: "^", value: audit ? `u${denyRule}` : `d${denyRule}` },
  ];
}

/** An expression of a whole part of the subject. */
function part(expression: string | undefined): string {
  if (expression === undefined) return any;
  return toPcre(expression).replace(/^\^/, "").replace(/\\z$/, "");
}

/** What a rule set asks about headers, and what it does to them, for which each question is there once. */
class Conditions {
  readonly #secrets: SecretStore;
  readonly #questions: string[] = [];
  readonly #changes: string[] = [];
  readonly notes: string[] = [];
  #lists = 0;

  constructor(secrets: SecretStore) {
    this.#secrets = secrets;
  }

  /** Expression of the lines that there must be; undefined: the rule matches nothing. */
  neededBy(headers: readonly HeaderMatch[]): string | undefined {
    const needed: string[] = [];
    for (const match of headers) {
      if (match.mismatch !== "deny") continue;
      const wanted = this.#wantedBy(match);
      // The host is asked about by itself.
      if (wanted === undefined || match.name.toLowerCase() === "host") return undefined;
      needed.push(
        wanted.kind === "any" ? hasHeader(match.name) : hasHeaderOnce(match.name, wanted.value),
      );
    }
    return needed.join("");
  }

  /** Number of what is done to headers; undefined: nothing. */
  addChanges(headers: readonly HeaderMatch[]): number | undefined {
    const list = this.#lists;
    const added = headers.flatMap((match): string[] => {
      const { mismatch, name } = match;
      if (mismatch === "deny") return [];
      const question = this.#ask(match);
      const wanted = headerValue(match, this.#secrets);
      // Without a value nothing is there to add or to put: only that it is told, or taken away.
      const hasNone = wanted.kind !== "value";
      if (question === undefined && mismatch !== "log") return [];
      if (hasNone && mismatch !== "log") return [];
      const value = wanted.kind === "value" && mismatch !== "log" ? hex(wanted.value) : "";
      return [
        `${list},${mismatch},${question === undefined ? "" : question + 1},${hex(name)},${value}`,
      ];
    });
    if (added.length === 0) return undefined;
    this.#changes.push(...added);
    this.#lists++;
    return list;
  }

  /** One line without blanks, commas between fields: tag!questions!changes. */
  spec(tag: string): string {
    return `${tag}!${this.#questions.join("/")}!${this.#changes.join("/")}`;
  }

  #wantedBy(match: HeaderMatch): Exclude<HeaderValue, { kind: "none" }> | undefined {
    const wanted = headerValue(match, this.#secrets);
    if (wanted.kind !== "none") return wanted;
    if (!this.notes.includes(wanted.problem)) this.notes.push(wanted.problem);
    return undefined;
  }

  #ask(match: HeaderMatch): number | undefined {
    const wanted = this.#wantedBy(match);
    if (wanted === undefined) return undefined;
    const question =
      wanted.kind === "any" ? hex(match.name) : `${hex(match.name)}=${hex(wanted.value)}`;
    const known = this.#questions.indexOf(question);
    if (known >= 0) return known;
    return this.#questions.push(question) - 1;
  }
}

/** Values are bytes, one a character (latin1). */
function hex(text: string): string {
  return Buffer.from(text, "latin1").toString("hex");
}
