// The value that a header condition is about (docs/policy-l7.md, "Header conditions").
import type { HeaderMatch } from "@tsilium/policy/model.ts";
import type { SecretStore } from "../model.ts";

export type HeaderValue =
  /** The condition is only that the header is there. */
  | { readonly kind: "any" }
  | { readonly kind: "value"; readonly value: string; readonly secret: boolean }
  /** `problem` names the Secret, never what is in it. */
  | { readonly kind: "none"; readonly problem: string };

// What HTTP allows in a field's value (RFC 9110, 5.5) and is not changed on its way.
const fieldValue = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/;

/** The secret's value where there is one, else `value`. */
export function headerValue(match: HeaderMatch, secrets: SecretStore): HeaderValue {
  const { secret, value } = match;
  if (secret === undefined) {
    return value === undefined ? { kind: "any" } : { kind: "value", value, secret: false };
  }
  const found = secretValue(secret, secrets);
  if (typeof found !== "string") return { kind: "value", value: found.value, secret: true };
  return value === undefined
    ? { kind: "none", problem: found }
    : { kind: "value", value, secret: false };
}

/** A string is the problem. */
function secretValue(
  { namespace, name, key }: NonNullable<HeaderMatch["secret"]>,
  secrets: SecretStore,
): { readonly value: string } | string {
  const data = secrets.get(namespace, name);
  if (data === undefined) {
    return `secret ${namespace}/${name} ${secrets.reason?.(namespace, name) ?? "is not there"}`;
  }
  const keys = Object.keys(data);
  const chosen = key ?? (keys.length === 1 ? keys[0] : undefined);
  if (chosen === undefined)
    return `secret ${namespace}/${name} has several keys, and no key is named`;
  if (!Object.hasOwn(data, chosen)) return `secret ${namespace}/${name} has no key ${chosen}`;
  // Bytes as characters, as HTTP has them.
  const value = Buffer.from(data[chosen] as string, "base64").toString("latin1");
  return fieldValue.test(value)
    ? { value }
    : `secret ${namespace}/${name}: ${chosen} is no header value`;
}
