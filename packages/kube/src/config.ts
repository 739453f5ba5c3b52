// Where the API server is and who we are: from a kubeconfig file or from a pod's service account.
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { load } from "js-yaml";
import { KubeError } from "./errors.ts";

export type ConnectionOptions = {
  /** "https://host:port", or http:// for a server that speaks in clear on loopback. */
  readonly server: string;
  /** PEM. Without it, the system's authorities are trusted. */
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** Bearer token, or how to read the current one (service account tokens rotate). */
  readonly token?: string | (() => string);
  /** Name to verify the server's certificate against, when it is not the host of `server`. */
  readonly serverName?: string;
  /** What the program calls itself (User-Agent): the manager of the fields that it writes. Default "tsilium". */
  readonly userAgent?: string;
  /** Told what the server warns of in its answers (Warning headers), control characters taken out. */
  readonly onWarning?: (text: string) => void;
  /** Asked right before each request that may change something; what it throws, the request throws, and is not sent. */
  readonly mayWrite?: () => void;
};

type Named<K extends string> = { readonly name?: string } & { readonly [key in K]?: Fields };
type Fields = { readonly [key: string]: unknown };
type Kubeconfig = {
  readonly "current-context"?: string;
  readonly clusters?: readonly Named<"cluster">[];
  readonly contexts?: readonly Named<"context">[];
  readonly users?: readonly Named<"user">[];
};

/**
 * Reads the current (or the named) context of a kubeconfig file. Relative file names count from the file.
 * @throws KubeError "BadKubeconfig": unreadable, incomplete, or wanting what we refuse (exec plugins,
 * insecure-skip-tls-verify).
 */
export function connectionFromKubeconfig(path: string, contextName?: string): ConnectionOptions {
  const fail = (why: string, cause?: unknown) =>
    new KubeError("BadKubeconfig", `${path}: ${why}`, { cause });
  let config: Kubeconfig;
  try {
    config = (load(readFileSync(path, "utf8")) ?? {}) as Kubeconfig;
  } catch (error) {
    throw fail(`cannot be read: ${(error as Error).message}`, error);
  }
  const wanted = contextName ?? config["current-context"];
  const context = config.contexts?.find((entry) => entry.name === wanted)?.context;
  if (!context) throw fail(`there is no context ${JSON.stringify(wanted)}`);
  const cluster = config.clusters?.find((entry) => entry.name === context["cluster"])?.cluster;
  if (typeof cluster?.["server"] !== "string") throw fail("the context's cluster has no server");
  const user = config.users?.find((entry) => entry.name === context["user"])?.user ?? {};
  if (user["exec"] || user["auth-provider"])
    throw fail("exec and auth-provider credentials are not supported");
  if (cluster["insecure-skip-tls-verify"]) throw fail("insecure-skip-tls-verify is not supported");

  const base = dirname(resolve(path));
  const material = (fields: Fields, name: string): Buffer | undefined => {
    const inline = fields[`${name}-data`];
    if (typeof inline === "string") return Buffer.from(inline, "base64");
    const file = fields[name];
    return typeof file === "string" ? readFileSync(resolve(base, file)) : undefined;
  };
  try {
    const tokenFile = user["tokenFile"];
    return withoutUndefined({
      server: cluster["server"],
      ca: material(cluster, "certificate-authority"),
      serverName: cluster["tls-server-name"] as string | undefined,
      cert: material(user, "client-certificate"),
      key: material(user, "client-key"),
      token:
        typeof tokenFile === "string"
          ? tokenReader(resolve(base, tokenFile))
          : (user["token"] as string),
    });
  } catch (error) {
    throw fail((error as Error).message, error);
  }
}

/**
 * The service account mounted into a pod.
 * @throws KubeError "BadKubeconfig" outside of a pod.
 */
export function connectionInCluster(
  folder = "/var/run/secrets/kubernetes.io/serviceaccount",
): ConnectionOptions {
  const host = process.env["KUBERNETES_SERVICE_HOST"];
  const port = process.env["KUBERNETES_SERVICE_PORT"];
  if (!host || !port) {
    throw new KubeError(
      "BadKubeconfig",
      "not in a pod: KUBERNETES_SERVICE_HOST and _PORT are unset",
    );
  }
  try {
    return {
      server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
      ca: readFileSync(`${folder}/ca.crt`),
      token: tokenReader(`${folder}/token`),
    };
  } catch (error) {
    throw new KubeError("BadKubeconfig", `service account: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Kubelet replaces the file long before the token expires: reading it once a minute is enough. */
function tokenReader(path: string): () => string {
  const maxAgeMs = 60_000;
  let token = readFileSync(path, "utf8").trim();
  let readAt = performance.now();
  return () => {
    if (performance.now() - readAt > maxAgeMs) {
      token = readFileSync(path, "utf8").trim();
      readAt = performance.now();
    }
    return token;
  };
}

function withoutUndefined<T extends object>(options: { [K in keyof T]: T[K] | undefined }): T {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as T;
}
