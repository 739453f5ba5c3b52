// The controllers at work on an API server of their own, with the smallest kubelet that could be: what is bound to a node
// runs and is ready at once, what is deleted ends.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiServer, createPki } from "@tsilium/apiserver";
import { type Condition, KubeClient, type Node, reflect, resources } from "@tsilium/kube";
import { Controllers, type ControllerOptions } from "../controllers.ts";

const ready: Condition = { type: "Ready", status: "True" };

export type TestCluster = AsyncDisposable & {
  readonly client: KubeClient;
  /** Aborted when the cluster goes. */
  readonly signal: AbortSignal;
};

/** Starts it, with these nodes; disposing takes all of it away. */
export async function startCluster(
  options: Pick<ControllerOptions, "apiEndpoints" | "node"> & {
    readonly nodes?: readonly string[];
  } = {},
): Promise<TestCluster> {
  const { nodes = [], ...rest } = options;
  const folder = mkdtempSync(join(tmpdir(), "tsilium-controllers-"));
  const stopper = new AbortController();
  const { signal } = stopper;
  const pki = await createPki(join(folder, "pki"));
  const server = await ApiServer.start({
    dataDir: folder,
    pki,
    listeners: [{ address: "127.0.0.1", port: 0 }],
    tokens: [{ token: "admin", name: "admin", groups: ["system:masters"] }],
  });
  const client = new KubeClient({ server: server.origin, ca: pki.ca, token: "admin" });
  const log = { info: () => undefined, warn: () => undefined };
  const controllers = Controllers.start({ client, log, ...rest });
  await controllers.ready;
  for (const name of nodes) await client.create(resources.nodes, nodeNamed(name), { signal });
  void readyNodes(client, signal);
  void runPods(client, signal);
  return {
    client,
    signal,
    async [Symbol.asyncDispose]() {
      stopper.abort();
      await controllers.stop();
      client[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

export function nodeNamed(name: string): Node {
  return { metadata: { name, labels: { "kubernetes.io/hostname": name } } };
}

function readyNodes(client: KubeClient, signal: AbortSignal): Promise<void> {
  return reflect(client, resources.nodes, {
    signal,
    handlers: {
      upsert: (node) => {
        if (node.status?.conditions) return;
        void client.patchStatus(resources.nodes, node.metadata.name ?? "", {
          status: { conditions: [ready] },
          signal,
        });
      },
      delete: () => undefined,
    },
  });
}

/** Addresses are given in the order in which pods are bound. */
function runPods(client: KubeClient, signal: AbortSignal): Promise<void> {
  let count = 0;
  return reflect(client, resources.pods, {
    signal,
    handlers: {
      upsert: (pod) => {
        const { name = "", namespace, deletionTimestamp } = pod.metadata;
        if (deletionTimestamp) {
          void client
            .delete(resources.pods, name, { namespace, gracePeriodSeconds: 0, signal })
            .catch(() => undefined);
        } else if (pod.spec.nodeName && pod.status?.phase === "Pending") {
          count += 1;
          const podIPs = [{ ip: `10.244.0.${count}` }, { ip: `fd00:10:244::${count}` }];
          const status = { phase: "Running", podIP: podIPs[0]?.ip, podIPs, conditions: [ready] };
          void client
            .patchStatus(resources.pods, name, { namespace, status, signal })
            .catch(() => undefined);
        }
      },
      delete: () => undefined,
    },
  });
}

/** The first answer of `look` that is not undefined, within five seconds. */
export async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = performance.now() + 5000; performance.now() < deadline; await sleep(20)) {
    const found = await look();
    if (found !== undefined) return found;
  }
  throw new Error("it did not come to be");
}
