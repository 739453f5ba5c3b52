// Certificates for tests: an authority, and leaves for names, as PEM.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

cryptoProvider.set(webcrypto as unknown as Crypto);

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const newKeys = () =>
  webcrypto.subtle.generateKey(algorithm, true, [
    "sign",
    "verify",
  ]) as Promise<webcrypto.CryptoKeyPair>;

/** PEM, both. */
export type TestLeaf = { readonly certificate: string; readonly privateKey: string };

export type TestFiles = {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
};

export type TestAuthority = {
  /** PEM. */
  readonly certificate: string;
  /** Good for servers and clients; names may be addresses. */
  issue(names: readonly string[]): Promise<TestLeaf>;
  /** Writes ca.crt, tls.crt and tls.key into the folder: a leaf for these names. */
  issueFiles(folder: string, names: readonly string[]): Promise<TestFiles>;
};

export async function testAuthority(name: string): Promise<TestAuthority> {
  const keys = await newKeys();
  const authority = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    keys,
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  const certificate = authority.toString("pem");
  let serial = 1;

  async function issue(names: readonly string[]): Promise<TestLeaf> {
    const leafKeys = await newKeys();
    const leaf = await X509CertificateGenerator.create({
      serialNumber: (++serial).toString(16).padStart(4, "0"),
      subject: [{ CN: [names[0] ?? "leaf"] }],
      issuer: authority.subject,
      publicKey: leafKeys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: algorithm,
      extensions: [
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
        new SubjectAlternativeNameExtension(
          names.map((value) => ({ type: /^[\d.]+$|:/.test(value) ? "ip" : "dns", value })),
        ),
      ],
    });
    const key = await webcrypto.subtle.exportKey("pkcs8", leafKeys.privateKey);
    return {
      certificate: leaf.toString("pem"),
      privateKey: PemConverter.encode(key, "PRIVATE KEY"),
    };
  }

  async function issueFiles(folder: string, names: readonly string[]): Promise<TestFiles> {
    const leaf = await issue(names);
    const file = (name: string) => join(folder, name);
    const files = {
      caFile: file("ca.crt"),
      certFile: file("tls.crt"),
      keyFile: file("tls.key"),
    };
    mkdirSync(folder, { recursive: true });
    writeFileSync(files.caFile, certificate);
    writeFileSync(files.certFile, leaf.certificate);
    writeFileSync(files.keyFile, leaf.privateKey, { mode: 0o600 });
    return files;
  }

  return { certificate, issue, issueFiles };
}
