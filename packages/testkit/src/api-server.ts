// A real API server for a test: our own, on loopback, with an empty store and Tsilium's definitions in it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApiServer, createPki, type Pki } from "@tsilium/apiserver";
import { definitions, installDefinition } from "@tsilium/app-operator/crds";
import { KubeClient } from "@tsilium/kube";

const token = "test-token-of-a-cluster-that-lives-for-one-test";

export type TestApi = AsyncDisposable & {
  readonly client: KubeClient;
  /** A further client with connections of its own; closed with the server. */
  readonly connect: () => KubeClient;
  /** Path of a kubeconfig for other processes. */
  readonly kubeconfig: string;
  /** Stops the server and starts it again on its port and store. */
  readonly restart: (whileDown?: () => Promise<void>) => Promise<void>;
};

export type TestApiOptions = {
  /** False: the store has none of Tsilium's definitions. */
  readonly definitions?: boolean;
};

let pki: Promise<Pki> | undefined;

/** Starts it; disposing stops it and removes its files. */
export async function startTestApi(options: TestApiOptions = {}): Promise<TestApi> {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-api-"));
  pki ??= createThrowawayPki();
  const keys = await pki;
  const start = (port: number) =>
    ApiServer.start({
      dataDir: join(folder, "data"),
      pki: keys,
      listeners: [{ address: "127.0.0.1", port }],
      tokens: [{ token, name: "test", groups: ["system:masters"] }],
    });
  let server = await start(0);
  const { port } = server;
  const url = `https://127.0.0.1:${port}`;
  const clients = new DisposableStack();
  const connect = () => clients.use(new KubeClient({ server: url, ca: keys.ca, token }));
  const client = connect();
  if (options.definitions !== false)
    for (const definition of definitions)
      await installDefinition(client, definition, AbortSignal.timeout(5_000));
  return {
    client,
    connect,
    kubeconfig: writeKubeconfig(join(folder, "kubeconfig"), url, keys.ca),
    restart: async (whileDown) => {
      await server[Symbol.asyncDispose]();
      await whileDown?.();
      server = await start(port);
    },
    [Symbol.asyncDispose]: async () => {
      clients.dispose();
      await server[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One authority for all tests of a process: keys take longer to make than servers to start. */
async function createThrowawayPki(): Promise<Pki> {
  const folder = mkdtempSync(join(tmpdir(), "tsilium-pki-"));
  try {
    return await createPki(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function writeKubeconfig(path: string, server: string, ca: string): string {
  const cluster = {
    server,
    "certificate-authority-data": Buffer.from(ca).toString("base64"),
  };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "test", cluster }],
    users: [{ name: "test", user: { token } }],
    contexts: [{ name: "test", context: { cluster: "test", user: "test" } }],
    "current-context": "test",
  };
  writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
  return path;
}
