// A certificate authority for one cluster, its server's certificate, and client certificates on demand.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Authority, namesOf, type Credentials } from "./certificates.ts";

export type { Credentials } from "./certificates.ts";

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

export type Pki = {
  /** PEM of the authority's certificate. */
  readonly ca: string;
  readonly server: Credentials;
  /** A certificate for a user: `name` is its user name, `groups` its groups. */
  client(name: string, groups: readonly string[]): Promise<Credentials>;
};

/**
 * Opens the authority in `folder`, or makes one: ca.crt, ca.key, server.crt, server.key (0600). An existing
 * authority is kept; the server's certificate is made anew when it lacks one of the names.
 */
export async function createPki(folder: string, options: PkiOptions = {}): Promise<Pki> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const authority = (await readAuthority(folder)) ?? (await makeAuthority(folder));
  const sans = [...new Set([...commonSans, ...(options.sans ?? [])])];
  const server = readServer(folder, sans) ?? (await makeServer(folder, authority, sans));
  return {
    ca: authority.cert,
    server,
    client: (name, groups) =>
      authority.issue({ subject: subjectOf(name, groups), usage: "client" }),
  };
}

function subjectOf(name: string, groups: readonly string[]): Record<string, string[]>[] {
  return [...groups.map((group) => ({ O: [group] })), { CN: [name] }];
}

async function readAuthority(folder: string): Promise<Authority | undefined> {
  const credentials = readCredentials(folder, "ca");
  return credentials && Authority.fromPem(credentials);
}

async function makeAuthority(folder: string): Promise<Authority> {
  const authority = await Authority.make("tsilium-ca");
  writeCredentials(folder, "ca", { cert: authority.cert, key: await authority.keyPem() });
  return authority;
}

function readServer(folder: string, sans: readonly string[]): Credentials | undefined {
  const credentials = readCredentials(folder, "server");
  if (!credentials) return undefined;
  const present = namesOf(credentials.cert);
  return sans.every((name) => present.has(name)) ? credentials : undefined;
}

async function makeServer(
  folder: string,
  authority: Authority,
  sans: readonly string[],
): Promise<Credentials> {
  const server = await authority.issue({
    subject: [{ CN: ["kube-apiserver"] }],
    usage: "server",
    sans,
  });
  writeCredentials(folder, "server", server);
  return server;
}

function readCredentials(folder: string, name: string): Credentials | undefined {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  if (!existsSync(cert) || !existsSync(key)) return undefined;
  return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
}

/** The key first: a certificate without its key would look like a pair that is whole. */
function writeCredentials(folder: string, name: string, { cert, key }: Credentials): void {
  writeSecret(join(folder, `${name}.key`), key);
  writeSecret(join(folder, `${name}.crt`), cert);
}

/** Whole or not at all, readable by us alone. */
function writeSecret(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
