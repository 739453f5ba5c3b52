// A certificate authority for one cluster, its server's certificate, and client certificates on demand.
import "reflect-metadata";
import { randomBytes, webcrypto } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
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

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const lifetimeMs = 10 * 365 * 24 * 3600_000;
/** Clocks of a cluster's machines may differ by this much. */
const clockSkewMs = 3600_000;

export type PkiOptions = {
  /** Names and addresses the server is reached by, beside those every cluster has. */
  readonly sans?: readonly string[];
};

/** Addresses and names of every cluster's API server. */
const commonSans = [
  "127.0.0.1",
  "::1",
  "localhost",
  "kubernetes",
  "kubernetes.default",
  "kubernetes.default.svc",
  "kubernetes.default.svc.cluster.local",
  "10.96.0.1",
  "fd00:10:96::1",
  "172.18.0.1",
  "fc00:18::1",
];

export type Credentials = { readonly cert: string; readonly key: string };

export type Pki = {
  /** PEM of the authority's certificate. */
  readonly ca: string;
  readonly server: Credentials;
  /** A certificate for a user: `name` is its user name, `groups` its groups. */
  client(name: string, groups: readonly string[]): Promise<Credentials>;
};

type Authority = { readonly certificate: X509Certificate; readonly key: webcrypto.CryptoKey };

/**
 * Opens the authority in `folder`, or makes one: ca.crt, ca.key, server.crt, server.key (0600). An existing
 * authority is kept; the server's certificate is made anew when it lacks one of the names.
 */
export async function createPki(folder: string, options: PkiOptions = {}): Promise<Pki> {
  cryptoProvider.set(webcrypto as unknown as Crypto);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const authority = (await readAuthority(folder)) ?? (await makeAuthority(folder));
  const ca = `${authority.certificate.toString("pem")}\n`;
  const sans = [...new Set([...commonSans, ...(options.sans ?? [])])];
  const server = readServer(folder, sans) ?? (await makeServer(folder, authority, sans));
  return {
    ca,
    server,
    client: (name, groups) =>
      issue(authority, { subject: subjectOf(name, groups), usage: ExtendedKeyUsage.clientAuth }),
  };
}

function subjectOf(
  name: string,
  groups: readonly string[],
): { readonly [attribute: string]: string[] }[] {
  return [...groups.map((group) => ({ O: [group] })), { CN: [name] }];
}

async function readAuthority(folder: string): Promise<Authority | undefined> {
  const [certificate, key] = [join(folder, "ca.crt"), join(folder, "ca.key")];
  if (!existsSync(certificate) || !existsSync(key)) return undefined;
  const der = PemConverter.decodeFirst(readFileSync(key, "utf8"));
  return {
    certificate: new X509Certificate(readFileSync(certificate, "utf8")),
    key: await webcrypto.subtle.importKey("pkcs8", der, algorithm, true, ["sign"]),
  };
}

async function makeAuthority(folder: string): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...validity(),
    serialNumber: serial(),
    name: [{ CN: ["tsilium-ca"] }],
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  // The key first: a certificate without its key would look like an authority that is whole.
  writeSecret(join(folder, "ca.key"), await keyPem(keys.privateKey));
  writeSecret(join(folder, "ca.crt"), `${certificate.toString("pem")}\n`);
  return { certificate, key: keys.privateKey };
}

function readServer(folder: string, sans: readonly string[]): Credentials | undefined {
  const [certificate, key] = [join(folder, "server.crt"), join(folder, "server.key")];
  if (!existsSync(certificate) || !existsSync(key)) return undefined;
  const cert = readFileSync(certificate, "utf8");
  const names =
    new X509Certificate(cert).getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  const present = new Set(names.map((name) => name.value));
  return sans.every((name) => present.has(name))
    ? { cert, key: readFileSync(key, "utf8") }
    : undefined;
}

async function makeServer(
  folder: string,
  authority: Authority,
  sans: readonly string[],
): Promise<Credentials> {
  const server = await issue(authority, {
    subject: [{ CN: ["kube-apiserver"] }],
    usage: ExtendedKeyUsage.serverAuth,
    sans,
  });
  writeSecret(join(folder, "server.key"), server.key);
  writeSecret(join(folder, "server.crt"), server.cert);
  return server;
}

async function issue(
  authority: Authority,
  leaf: {
    readonly subject: { readonly [attribute: string]: string[] }[];
    readonly usage: ExtendedKeyUsage;
    readonly sans?: readonly string[];
  },
): Promise<Credentials> {
  const keys = await newKeys();
  const names = (leaf.sans ?? []).map((value) => ({
    type: isIP(value) ? ("ip" as const) : ("dns" as const),
    value,
  }));
  const certificate = await X509CertificateGenerator.create({
    ...validity(),
    serialNumber: serial(),
    subject: leaf.subject,
    issuer: authority.certificate.subject,
    publicKey: keys.publicKey,
    signingKey: authority.key,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([leaf.usage]),
      ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return { cert: `${certificate.toString("pem")}\n`, key: await keyPem(keys.privateKey) };
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

/** Whole or not at all, readable by us alone. */
function writeSecret(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
