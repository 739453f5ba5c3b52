// TLS as the flags say.
import { X509Certificate } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { ClientTls } from "@tsilium/hubble/grpc/index.ts";
import { CommandError } from "../../../cli/src/failure.ts";
import type { ConfigName } from "../config/keys.ts";
import type { Settings } from "../config/settings.ts";

/** Where systems keep the authorities that they trust. */
const systemAuthorities = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * undefined: plain text.
 * @throws CommandError for half a pair of certificate and key, certificates for a server without TLS, and files that cannot
 *   be read or hold something else
 */
export function clientTls(settings: Settings, address: string): ClientTls | undefined {
  const certFile = settings.text("tls-client-cert-file");
  const keyFile = settings.text("tls-client-key-file");
  if ((certFile === "") !== (keyFile === ""))
    throw new CommandError(
      "a client certificate needs its key, and the key its certificate",
      "Give both --tls-client-cert-file and --tls-client-key-file.",
    );
  if (!settings.flag("tls") && !address.startsWith("tls://")) {
    if (certFile === "") return undefined;
    throw new CommandError(
      `there is a client certificate, but ${address} is asked without TLS`,
      "Add --tls, or write tls:// before the address.",
    );
  }
  if (address.startsWith("unix://"))
    throw new CommandError(`${address}: unix sockets have no TLS`, "Leave --tls out.");
  const given = settings.list("tls-ca-cert-files");
  const caFile = given.length > 0 ? [...given] : systemFile();
  const serverName = settings.text("tls-server-name");
  const own = certFile === "" ? {} : { certFile, keyFile };
  check({ caFile, ...own });
  return { caFile, ...own, ...(serverName === "" ? {} : { serverName }) };
}

function systemFile(): string[] {
  const found = systemAuthorities.find((file) => existsSync(file));
  if (found !== undefined) return [found];
  throw new CommandError(
    "this system has no list of authorities to trust",
    "Name the certificate of the server's authority: --tls-ca-cert-files FILE",
  );
}

type Files = {
  readonly caFile: readonly string[];
  readonly certFile?: string;
  readonly keyFile?: string;
};

/** Before anybody is asked, so that it is the file that is named. */
function check({ caFile, certFile, keyFile }: Files): void {
  const ca = caFile.map((file) => contentOf("tls-ca-cert-files", file));
  caFile.forEach((file, at) =>
    refused(`${file} holds no certificate`, () => new X509Certificate(ca[at] as Buffer)),
  );
  if (certFile === undefined || keyFile === undefined) return;
  const cert = contentOf("tls-client-cert-file", certFile);
  const key = contentOf("tls-client-key-file", keyFile);
  refused(`${certFile} and ${keyFile} are no certificate and its key`, () =>
    createSecureContext({ cert, key }),
  );
}

function contentOf(flag: ConfigName, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (cause) {
    throw new CommandError(`--${flag}: ${(cause as Error).message}`, undefined, { cause });
  }
}

function refused(message: string, use: () => unknown): void {
  try {
    use();
  } catch (cause) {
    const { message: reason } = cause as Error;
    throw new CommandError(`${message}: ${reason}`, "The files must be PEM.", { cause });
  }
}
