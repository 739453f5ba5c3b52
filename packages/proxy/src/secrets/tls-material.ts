// What a TLS connection is made with, taken from a Secret and checked before an engine sees it. Problems name the Secret
// and its keys, never anything that is in it: errors of parsers may quote what they parsed, and are not passed on.
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { TlsContext } from "@tsilium/policy/model.ts";
import type { SecretStore } from "../model.ts";

/** "terminating": the client's connection ends here. "originating": the server's begins here. */
export type TlsUse = "terminating" | "originating";

export type TlsMaterial = {
  /** PEM, leaf first, and its key; both or none. */
  readonly certificate: string | undefined;
  readonly privateKey: string | undefined;
  /** PEM. Terminating: clients must have a certificate of it; originating: the server must. */
  readonly trustedCa: string | undefined;
};

/** Keys of a Secret that Cilium takes when a context names none. */
const defaults = { certificate: "tls.crt", privateKey: "tls.key", trustedCa: "ca.crt" } as const;

/**
 * Terminating needs a certificate and its key, and asks clients for certificates only where `trustedCa` is named (a
 * Secret of cert-manager always has a ca.crt). Originating needs an authority; its own certificate is optional.
 */
export function tlsMaterial(
  context: TlsContext,
  use: TlsUse,
  secrets: SecretStore,
): TlsMaterial | { readonly problem: string } {
  const { namespace, name } = context.secret;
  const told = (text: string) => ({
    problem: `secret ${namespace}/${name}${text.startsWith(":") ? "" : " "}${text}`,
  });
  const data = secrets.get(namespace, name);
  if (data === undefined) return told(secrets.reason?.(namespace, name) ?? "is not there");
  const missing = (Object.keys(defaults) as (keyof typeof defaults)[])
    .map((part) => context[part])
    .find((key) => key !== undefined && !Object.hasOwn(data, key));
  if (missing !== undefined) return told(`has no key ${missing}`);

  const read = (part: keyof typeof defaults): string | undefined => {
    const key = context[part] ?? defaults[part];
    return Object.hasOwn(data, key)
      ? Buffer.from(data[key] as string, "base64").toString("latin1")
      : undefined;
  };
  const keyOf = (part: keyof typeof defaults) => context[part] ?? defaults[part];
  const certificate = read("certificate");
  const privateKey = read("privateKey");
  const trustedCa =
    use === "originating" || context.trustedCa !== undefined ? read("trustedCa") : undefined;

  if (use === "terminating" && certificate === undefined)
    return told(`has no key ${keyOf("certificate")}`);
  if (use === "terminating" && privateKey === undefined)
    return told(`has no key ${keyOf("privateKey")}`);
  if (use === "originating" && trustedCa === undefined)
    return told(`has no key ${keyOf("trustedCa")}`);
  if (trustedCa !== undefined && !readCertificates(trustedCa))
    return told(`: ${keyOf("trustedCa")} is no list of certificates in PEM`);
  // One without the other is of no use: a client that could go without a certificate does.
  if (certificate === undefined || privateKey === undefined)
    return { certificate: undefined, privateKey: undefined, trustedCa };
  const chain = readCertificates(certificate);
  if (!chain) return told(`: ${keyOf("certificate")} is no certificate in PEM`);
  const key = readKey(privateKey);
  if (!key) return told(`: ${keyOf("privateKey")} is no private key in PEM`);
  if (!chain[0]?.checkPrivateKey(key))
    return told(`: ${keyOf("privateKey")} is not the key of ${keyOf("certificate")}`);
  return { certificate, privateKey, trustedCa };
}

const certificatePattern = /-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]*-----END CERTIFICATE-----/g;

/** At least one, all of them sound; undefined otherwise. */
function readCertificates(pem: string): X509Certificate[] | undefined {
  const blocks = pem.match(certificatePattern) ?? [];
  const begun = pem.split("-----BEGIN ").length - 1;
  if (blocks.length === 0 || begun !== blocks.length) return undefined;
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return undefined;
  }
}

function readKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}
