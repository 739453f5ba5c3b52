// Hubble's certificates: an authority of its own, so that who may read flows is no user of the API server, and the other way
// round. The authority's key is never written: nobody joins a lab later.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Authority, type Credentials } from "@tsilium/apiserver/certificates.ts";
import { fabricAddresses, type LabLayout, type NodeLayout } from "../layout.ts";

/** PEM files. */
export type CertificateFiles = { readonly cert: string; readonly key: string };

export type HubbleFiles = {
  readonly ca: string;
  /** Of nodes' servers. */
  readonly server: (node: string) => CertificateFiles;
  readonly relayServer: CertificateFiles;
  /** The relay's, as a client of nodes. */
  readonly relayClient: CertificateFiles;
  /** People's. */
  readonly client: CertificateFiles;
};

/** Where the files are, or will be. */
export function hubbleFiles(lab: Pick<LabLayout, "hubble">): HubbleFiles {
  const file = (name: string) => join(lab.hubble, name);
  const pair = (name: string) => ({ cert: file(`${name}.crt`), key: file(`${name}.key`) });
  return {
    ca: file("ca.crt"),
    server: (node) => pair(`server-${node}`),
    relayServer: pair("relay-server"),
    relayClient: pair("relay-client"),
    client: pair("client"),
  };
}

/** What a node's server is called, whatever its address: Cilium's name. Dots in a name would be other domains. */
export function hubbleServerName(node: string, cluster: string): string {
  const label = (text: string) => text.replaceAll(".", "-");
  return `${label(node)}.${label(cluster)}.hubble-grpc.cilium.io`;
}

/** Makes all of them anew. */
export async function makeHubbleCertificates(
  lab: LabLayout,
  nodes: readonly NodeLayout[],
  cluster: string,
): Promise<void> {
  mkdirSync(lab.hubble, { recursive: true, mode: 0o700 });
  const files = hubbleFiles(lab);
  const authority = await Authority.make("tsilium-hubble-ca");
  writeFileSync(files.ca, authority.cert, { mode: 0o600 });
  for (const node of nodes) {
    const name = hubbleServerName(node.name, cluster);
    write(
      files.server(node.name),
      await authority.issue({ subject: [{ CN: [name] }], usage: "server", sans: [name] }),
    );
  }
  const relay = `${cluster}.hubble-relay.cilium.io`;
  write(
    files.relayServer,
    await authority.issue({
      subject: [{ CN: [relay] }],
      usage: "server",
      sans: [relay, "*.hubble-relay.cilium.io", ...Object.values(fabricAddresses)],
    }),
  );
  for (const [pair, name] of [
    [files.relayClient, "hubble-relay"],
    [files.client, "hubble-client"],
  ] as const)
    write(pair, await authority.issue({ subject: [{ CN: [name] }], usage: "client" }));
}

function write(files: CertificateFiles, { cert, key }: Credentials): void {
  writeFileSync(files.key, key, { mode: 0o600 });
  writeFileSync(files.cert, cert, { mode: 0o600 });
}
