// The API server of a test cluster: a process that also listens on every node's loopback.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createPki } from "@tsilium/apiserver";
import { Address } from "@tsilium/net";
import {
  AF_INET,
  bind,
  close,
  listen,
  projectRoot,
  sockaddrIn,
  socket,
  SOCK_STREAM,
  withNetns,
} from "@tsilium/syscall";
import type { Netns } from "@tsilium/testkit";

/** On each node's loopback. */
const apiPort = 6443;

/** Starts it, and writes `kubeconfig` for us and `kubeconfig`.node for the nodes. */
export async function startApiServer(
  options: {
    readonly folder: string;
    readonly kubeconfig: string;
    readonly nodes: readonly Netns[];
  },
  cleanUp: AsyncDisposableStack,
): Promise<{ readonly apiServer: () => ChildProcess; readonly restartApi: () => Promise<void> }> {
  const { folder, kubeconfig, nodes } = options;
  const pki = await createPki(join(folder, "pki"));
  const admin = await pki.client("admin", ["system:masters"]);
  const listeners = nodes.map(loopbackListener);
  cleanUp.defer(() => listeners.forEach(close));
  let port = 0;
  let server: ChildProcess | undefined;
  const start = async () => {
    const args = [
      join(projectRoot(), "apps/apiserver/src/main.ts"),
      "--data-dir",
      join(folder, "apiserver"),
      "--pki-dir",
      join(folder, "pki"),
      "--listen",
      `127.0.0.1:${port}`,
      // Inherited descriptors are numbered from 3 on.
      ...listeners.flatMap((_, index) => ["--listen-fd", String(3 + index)]),
    ];
    server = spawn(process.execPath, args, {
      stdio: ["ignore", "pipe", openSync(join(folder, "apiserver.log"), "a"), ...listeners],
    });
    const [line] = (await once(server.stdout as NonNullable<typeof server.stdout>, "data")) as [
      Buffer,
    ];
    port = (JSON.parse(line.toString()) as { port: number }).port;
  };
  cleanUp.defer(() => void server?.kill("SIGKILL"));
  await start();
  for (const [file, serverPort] of [
    [kubeconfig, port],
    [`${kubeconfig}.node`, apiPort],
  ] as const) {
    writeFileSync(
      file,
      JSON.stringify(kubeconfigOf(`https://127.0.0.1:${serverPort}`, pki.ca, admin)),
    );
  }
  return { apiServer: () => server as ChildProcess, restartApi: start };
}

/** A socket that listens on a node's loopback, for the API server to inherit. */
function loopbackListener(netns: Netns): number {
  return withNetns(netns.path, () => {
    const fd = socket(AF_INET, SOCK_STREAM, 0);
    bind(fd, sockaddrIn(Address.parse("127.0.0.1").bytes, apiPort));
    listen(fd, 128);
    return fd;
  });
}

function kubeconfigOf(server: string, ca: string, user: { cert: string; key: string }): object {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "test",
    contexts: [{ name: "test", context: { cluster: "test", user: "admin" } }],
    clusters: [{ name: "test", cluster: { server, "certificate-authority-data": base64(ca) } }],
    users: [
      {
        name: "admin",
        user: { "client-certificate-data": base64(user.cert), "client-key-data": base64(user.key) },
      },
    ],
  };
}
