// The server's settings, and which of them do not go together.
import { readFileSync } from "node:fs";
import type { ServerOptions } from "node:https";
import { parseListenAddress } from "@tsilium/runtime";
import { flag, type Key, loadKeys, text, type ValuesOf, words } from "@tsilium/runtime/config.ts";
import { isEverywhere, isLoopback } from "./http/guard.ts";

export const keys = {
  relay: text("localhost:4245", "relay, or one node's server: unix:///path or host:port"),
  tls: flag(false, "speak TLS with relay"),
  "tls-ca-cert-files": words("authorities of relay's certificate; implies tls"),
  "tls-client-cert-file": text("", "certificate shown to relay"),
  "tls-client-key-file": text("", "its key"),
  "tls-server-name": text("", "name in relay's certificate, if not the host's"),
  kubeconfig: text("", "API server, for policies and tables; in a pod: its own unless given", {
    environment: "KUBECONFIG",
  }),
  listen: text("127.0.0.1:12000", "address of the page"),
  host: words("further names by which browsers may ask for the page"),
  "token-file": text("", "file with a token that browsers have to know"),
  "listen-tls-cert-file": text("", "certificate of the page"),
  "listen-tls-key-file": text("", "its key"),
  "listen-tls-client-ca-files": words(
    "authorities of browsers' certificates, which they then need",
  ),
  "page-folder": text("", "the built page, if not beside this program"),
  "log-level": text("info", "least level that is logged"),
} as const satisfies Readonly<Record<string, Key<unknown>>>;

export type UiConfig = ValuesOf<typeof keys>;

/** @throws ConfigError */
export function loadConfig(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): UiConfig {
  return loadKeys(keys, { args, environment, shared: true, contradictions }).values;
}

/** Flows say who talks to whom: beyond this machine nobody sees them without saying who he is. */
function contradictions(config: UiConfig): readonly string[] {
  const problems: string[] = [];
  const has = (key: "listen-tls-cert-file" | "listen-tls-key-file" | "token-file") =>
    config[key] !== "";
  if (has("listen-tls-cert-file") !== has("listen-tls-key-file"))
    problems.push("listen-tls-cert-file and listen-tls-key-file go together");
  if ((config["tls-client-cert-file"] === "") !== (config["tls-client-key-file"] === ""))
    problems.push("tls-client-cert-file and tls-client-key-file go together");
  const clients = config["listen-tls-client-ca-files"];
  if (clients.length > 0 && !has("listen-tls-cert-file"))
    problems.push("listen-tls-client-ca-files: needs listen-tls-cert-file");
  try {
    const { host } = parseListenAddress(config.listen);
    const isSafe = clients.length > 0 || has("token-file");
    if (!isLoopback(host ?? "") && !isSafe)
      problems.push(
        `listen: ${config.listen} is not on loopback: give listen-tls-cert-file with listen-tls-client-ca-files, or token-file`,
      );
    if (isEverywhere(host ?? "") && config.host.length === 0)
      problems.push(`listen: ${config.listen} has no name: give host, as browsers will write it`);
  } catch (error) {
    problems.push(`listen: ${(error as Error).message}`);
  }
  return problems;
}

const leastTokenLength = 16;

/** undefined: none is asked for. @throws Error of the file system, or for a token that can be guessed */
export function readToken(config: UiConfig): string | undefined {
  const file = config["token-file"];
  if (file === "") return undefined;
  const token = readFileSync(file, "utf8").trim();
  if (token.length < leastTokenLength)
    throw new Error(`${file}: a token has ${leastTokenLength} characters or more`);
  return token;
}

/** undefined: the page is served in clear. @throws Error of the file system */
export function listenTls(config: UiConfig): ServerOptions | undefined {
  const certFile = config["listen-tls-cert-file"];
  if (certFile === "") return undefined;
  const clients = config["listen-tls-client-ca-files"];
  return {
    cert: readFileSync(certFile),
    key: readFileSync(config["listen-tls-key-file"]),
    minVersion: "TLSv1.2",
    maxHeaderSize: 32_768,
    ...(clients.length > 0
      ? {
          ca: clients.map((file) => readFileSync(file)),
          requestCert: true,
          rejectUnauthorized: true,
        }
      : {}),
  };
}
