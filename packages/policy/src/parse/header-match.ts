// Conditions on headers: `headers` in short ("k", "k: v", "k v"), `headerMatches` in full.
import type { HeaderMatch, HeaderMismatch } from "../model.ts";
import type { Field } from "./field.ts";
import { parseSecretRef } from "./tls.ts";

const maxValueLength = 4096;
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const valueSyntax = /^[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?$/;

/** They say how a request is framed and where it goes: a policy that changed them would make two requests of one. */
const framing = new Set([
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const mismatches = { LOG: "log", ADD: "add", DELETE: "delete", REPLACE: "replace" } as const;

/** "name": it is there; "name: value" or "name value": it has exactly this value. */
export function parseHeader(item: Field): HeaderMatch | undefined {
  const text = item.name();
  if (text === undefined) return undefined;
  const blank = text.indexOf(" ");
  const name = (blank < 0 ? text : text.slice(0, blank)).replace(/:$/, (colon) =>
    blank < 0 ? colon : "",
  );
  const value = blank < 0 ? undefined : text.slice(blank + 1).trim();
  if (!isName(item, name)) return undefined;
  if (value === "")
    item.problem("has no value: leave out colon and blank to ask only for the header");
  else if (value === undefined || isValue(item, value))
    return { name: name.toLowerCase(), value, secret: undefined, mismatch: "deny" };
  return undefined;
}

/** @param namespace where secrets are looked for that say none; undefined: nowhere */
export function parseHeaderMatch(
  item: Field,
  namespace: string | undefined,
): HeaderMatch | undefined {
  if (!item.isObject()) return undefined;
  item.only(["name", "value", "secret", "mismatch"]);
  const name = item.at("name").name();
  if (name === undefined || !isName(item.at("name"), name)) return undefined;
  const value = parseValue(item.narrowing("value"));
  const secret = parseSecretRef(item.narrowing("secret"), namespace);
  const mismatch = parseMismatch(item.at("mismatch"));
  const match = {
    name: name.toLowerCase(),
    value,
    secret: secret && { ...secret, key: undefined },
    mismatch,
  };
  judgeChange(item, match);
  return match;
}

function parseMismatch(field: Field): HeaderMismatch {
  if (!field.isGiven || field.value === "") return "deny";
  const word = field.oneOf(Object.keys(mismatches) as (keyof typeof mismatches)[]);
  return word === undefined ? "deny" : mismatches[word];
}

function parseValue(field: Field): string | undefined {
  const value = field.isGiven ? field.name() : undefined;
  return value !== undefined && isValue(field, value) ? value : undefined;
}

function judgeChange(item: Field, { name, value, secret, mismatch }: HeaderMatch): void {
  if (mismatch === "deny" || mismatch === "log") return;
  if (framing.has(name)) item.at("mismatch").problem(`${name} is not changed: only LOG, or none`);
  const isNothing = value === undefined && secret === undefined;
  if (isNothing && !item.at("secret").isGiven && !item.at("value").isGiven)
    item.problem(`mismatch ${mismatch.toUpperCase()} needs a value or a secret`);
}

function isName(field: Field, name: string): boolean {
  if (name.toLowerCase() === "host") field.problem("the host has a condition of its own: host");
  else if (token.test(name)) return true;
  else field.problem('is no header: "name" or "name: value"; a name has no colon in it');
  return false;
}

function isValue(field: Field, value: string): boolean {
  if (value.length > maxValueLength) field.problem(`is longer than ${maxValueLength} characters`);
  else if (valueSyntax.test(value)) return true;
  else field.problem("is no value of a header: printable ASCII without blanks at its ends");
  return false;
}
