// Certificates for tests: an authority, and leaves that are good for both sides, as Hubble's are.
import "reflect-metadata";
import { webcrypto } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
  cryptoProvider,
} from "@peculiar/x509";

cryptoProvider.set(webcrypto as unknown as Crypto);

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

export type TestFiles = {
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
};

export type TestAuthority = {
  /** Writes ca.crt, tls.crt and tls.key into the folder: a leaf for these names. */
  issue(folder: string, names: readonly string[]): Promise<TestFiles>;
};

export async function testAuthority(name: string): Promise<TestAuthority> {
  const keys = await newKeys();
  const authority = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [name] }],
    keys,
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  let serial = 1;
  return {
    async issue(folder, names) {
      const leafKeys = await newKeys();
      const leaf = await X509CertificateGenerator.create({
        serialNumber: (++serial).toString(16).padStart(4, "0"),
        subject: [{ CN: [names[0] ?? "client"] }],
        issuer: authority.subject,
        publicKey: leafKeys.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
          new SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns", value }))),
        ],
      });
      const files = {
        caFile: join(folder, "ca.crt"),
        certFile: join(folder, "tls.crt"),
        keyFile: join(folder, "tls.key"),
      };
      mkdirSync(folder, { recursive: true });
      const key = await webcrypto.subtle.exportKey("pkcs8", leafKeys.privateKey);
      writeFileSync(files.caFile, authority.toString("pem"));
      writeFileSync(files.certFile, leaf.toString("pem"));
      writeFileSync(files.keyFile, PemConverter.encode(key, "PRIVATE KEY"), { mode: 0o600 });
      return files;
    },
  };
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return (await webcrypto.subtle.generateKey(algorithm, true, [
    "sign",
    "verify",
  ])) as webcrypto.CryptoKeyPair;
}
