// Secrets that policies name, and what TLS connections are made with.
import type { SecretRef, TlsContext } from "../model.ts";
import type { Field } from "./field.ts";
import { isDnsLabel, isDnsSubdomain } from "./label-syntax.ts";

/** @returns undefined when it is not given, and after a problem */
export function parseTls(field: Field, namespace: string | undefined): TlsContext | undefined {
  if (!field.isGiven || !field.isObject()) return undefined;
  field.only(["secret", "trustedCA", "certificate", "privateKey"]);
  const secret = field.at("secret");
  if (!secret.isGiven) secret.problem("required");
  const ref = parseSecretRef(secret, namespace);
  return (
    ref && {
      secret: ref,
      trustedCa: parseKey(field.narrowing("trustedCA")),
      certificate: parseKey(field.at("certificate")),
      privateKey: parseKey(field.at("privateKey")),
    }
  );
}

/** A secret that names no namespace is of the policy's own. */
export function parseSecretRef(field: Field, home: string | undefined): SecretRef | undefined {
  if (!field.isGiven || !field.isObject()) return undefined;
  field.only(["namespace", "name"]);
  const name = field.at("name").name();
  const given = field.at("namespace").text();
  const namespace = given === undefined || given === "" ? home : given;
  if (name !== undefined && !isDnsSubdomain(name))
    field.at("name").problem("is no name of a secret");
  else if (namespace === undefined)
    field.at("namespace").problem("required in a cluster-wide policy");
  else if (!isDnsLabel(namespace)) field.at("namespace").problem("is no name of a namespace");
  else if (name !== undefined) {
    if (home !== undefined && namespace !== home)
      field.warn(
        `is of another namespace than the policy: who writes this policy uses ${namespace}'s secret; one beside the policy is named without a namespace`,
      );
    return { namespace, name };
  }
  return undefined;
}

/** Of an item of a secret. */
function parseKey(field: Field): string | undefined {
  const key = field.text();
  if (key === undefined || key === "") return undefined;
  if (key.length <= 253 && /^[-._a-zA-Z0-9]+$/.test(key)) return key;
  field.problem("is no item of a secret");
  return undefined;
}
