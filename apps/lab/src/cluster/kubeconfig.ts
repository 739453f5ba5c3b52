// kubeconfig files: one for people, one for each of the lab's own clients.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Credentials } from "@tsilium/apiserver/pki.ts";

export type KubeconfigOptions = {
  readonly lab: string;
  /** "https://127.0.0.1:34567" */
  readonly server: string;
  /** PEM. */
  readonly ca: string;
  readonly user: string;
  readonly credentials: Credentials;
};

/** The text of a kubeconfig (JSON is YAML), with everything inside: it may be copied anywhere. */
export function kubeconfig(options: KubeconfigOptions): string {
  const { server, ca, user, credentials } = options;
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const name = `tsilium-${options.lab}`;
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server, "certificate-authority-data": base64(ca) } }],
    users: [
      {
        name: user,
        user: {
          "client-certificate-data": base64(credentials.cert),
          "client-key-data": base64(credentials.key),
        },
      },
    ],
    contexts: [{ name, context: { cluster: name, user } }],
    "current-context": name,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** Writes it for its owner alone: it holds a private key. */
export function writeKubeconfig(path: string, options: KubeconfigOptions): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, kubeconfig(options), { mode: 0o600 });
}
