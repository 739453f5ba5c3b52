// Certificates made in memory: an authority, and what it vouches for.
import "reflect-metadata";
import { randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
  cryptoProvider,
} from "@peculiar/x509";

cryptoProvider.set(webcrypto as unknown as Crypto);

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const lifetimeMs = 10 * 365 * 24 * 3600_000;
/** Clocks of a cluster's machines may differ by this much. */
const clockSkewMs = 3600_000;

/** PEM of a certificate and of its key. */
export type Credentials = { readonly cert: string; readonly key: string };

export type Leaf = {
  /** Attributes of the subject, in order: { O: ["system:masters"] }, { CN: ["admin"] }. */
  readonly subject: readonly Readonly<Record<string, string[]>>[];
  readonly usage: "server" | "client";
  /** Names and addresses. */
  readonly sans?: readonly string[];
};

/** Vouches for certificates. Immutable. */
export class Authority {
  readonly #certificate: X509Certificate;
  readonly #key: webcrypto.CryptoKey;

  private constructor(certificate: X509Certificate, key: webcrypto.CryptoKey) {
    this.#certificate = certificate;
    this.#key = key;
  }

  static async make(name: string): Promise<Authority> {
    const keys = await newKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned({
      ...validity(),
      serialNumber: serial(),
      name: [{ CN: [name] }],
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new BasicConstraintsExtension(true, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      ],
    });
    return new Authority(certificate, keys.privateKey);
  }

  static async fromPem({ cert, key }: Credentials): Promise<Authority> {
    const der = PemConverter.decodeFirst(key);
    return new Authority(
      new X509Certificate(cert),
      await webcrypto.subtle.importKey("pkcs8", der, algorithm, true, ["sign"]),
    );
  }

  /** PEM of the authority's own certificate. */
  get cert(): string {
    return `${this.#certificate.toString("pem")}\n`;
  }

  async keyPem(): Promise<string> {
    return keyPem(this.#key);
  }

  async issue(leaf: Leaf): Promise<Credentials> {
    const keys = await newKeys();
    const names = (leaf.sans ?? []).map((value) => ({
      type: isIP(value) ? ("ip" as const) : ("dns" as const),
      value,
    }));
    const usage =
      leaf.usage === "server" ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth;
    const certificate = await X509CertificateGenerator.create({
      ...validity(),
      serialNumber: serial(),
      subject: [...leaf.subject],
      issuer: this.#certificate.subject,
      publicKey: keys.publicKey,
      signingKey: this.#key,
      signingAlgorithm: algorithm,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
        new ExtendedKeyUsageExtension([usage]),
        ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
      ],
    });
    return { cert: `${certificate.toString("pem")}\n`, key: await keyPem(keys.privateKey) };
  }
}

/** Names and addresses that a certificate is good for. */
export function namesOf(cert: string): ReadonlySet<string> {
  const extension = new X509Certificate(cert).getExtension(SubjectAlternativeNameExtension);
  return new Set((extension?.names.items ?? []).map((name) => name.value));
}

function validity(): { readonly notBefore: Date; readonly notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - clockSkewMs), notAfter: new Date(now + lifetimeMs) };
}

/** RFC 5280 4.1.2.2: positive, at most 20 octets. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] as number) & 0x7f) | 0x01;
  return bytes.toString("hex");
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(algorithm, true, [
    "sign",
    "verify",
  ])) as webcrypto.CryptoKeyPair;
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  return `${PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY")}\n`;
}
