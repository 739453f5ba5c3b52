// A cluster for tests: the real API server, operator and agents, nodes as namespaces on one wire. Pods are
// namespaces that the real CNI plugin is run on.
//
//   node-1 eth0 172.18.0.2 <====> eth0 172.18.0.3 node-2        the API server listens on each node's loopback
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KubeClient, type Pod, resources } from "@tsilium/kube";
import { mount, projectRoot, umount2 } from "@tsilium/syscall";
import { type Netns, Topology } from "@tsilium/testkit";
import { startApiServer } from "./api-server.ts";
import { TestNode } from "./node.ts";

const root = projectRoot();

export type ClusterOptions = {
  readonly nodes?: 1 | 2;
  /** Of the agents. */
  readonly config?: Readonly<Record<string, string>>;
  /** Of the agents and the operator: cluster-pool-*. */
  readonly pools?: Readonly<Record<string, string>>;
  /** The agent to run; its source when absent. */
  readonly agent?: string;
  /** What is written while agents start and wait for it; the Nodes are there. */
  readonly prepare?: (client: KubeClient) => Promise<void>;
};

export class TestCluster implements AsyncDisposable {
  readonly folder: string;
  readonly topology: Topology;
  readonly client: KubeClient;
  readonly nodes: readonly TestNode[];
  readonly #apiServer: () => ChildProcess;
  readonly #restartApi: () => Promise<void>;
  readonly #cleanUp: AsyncDisposableStack;

  private constructor(parts: {
    folder: string;
    topology: Topology;
    client: KubeClient;
    nodes: readonly TestNode[];
    apiServer: () => ChildProcess;
    restartApi: () => Promise<void>;
    cleanUp: AsyncDisposableStack;
  }) {
    this.folder = parts.folder;
    this.topology = parts.topology;
    this.client = parts.client;
    this.nodes = parts.nodes;
    this.#apiServer = parts.apiServer;
    this.#restartApi = parts.restartApi;
    this.#cleanUp = parts.cleanUp;
  }

  /** Brings everything up; resolves when every agent serves CNI. */
  static async up(options: ClusterOptions = {}): Promise<TestCluster> {
    await using cleanUp = new AsyncDisposableStack();
    const folder = mkdtempSync(join(tmpdir(), "tsit-agent-"));
    cleanUp.defer(() => {
      if (process.env["KEEP"] === undefined) rmSync(folder, { recursive: true, force: true });
      else console.error(`kept ${folder}`);
    });
    const bpffs = join(folder, "bpf");
    mkdirSync(bpffs);
    mount({ source: "bpf", target: bpffs, type: "bpf" });
    cleanUp.defer(() => void umount2(bpffs, 2));
    const topology = cleanUp.use(new Topology());
    const netnses = wireNodes(topology, options.nodes ?? 1);

    const kubeconfig = join(folder, "kubeconfig");
    const api = await startApiServer({ folder, kubeconfig, nodes: netnses }, cleanUp);
    const client = cleanUp.use(KubeClient.fromKubeconfig(kubeconfig));
    const operator = spawn(
      process.execPath,
      [
        join(root, "apps/operator/src/main.ts"),
        "--kubeconfig",
        kubeconfig,
        "--operator-prometheus-serve-addr",
        "",
        "--operator-api-serve-addr",
        "",
        ...flags({ ...poolConfig, ...options.pools }),
      ],
      { stdio: ["ignore", openSync(join(folder, "operator.log"), "a"), "inherit"] },
    );
    cleanUp.defer(() => void operator.kill("SIGKILL"));

    const nodes: TestNode[] = [];
    for (const [index, netns] of netnses.entries()) {
      const name = `node-${index + 1}`;
      await registerNode(client, name, index);
      const config = {
        ...poolConfig,
        ...options.pools,
        "bpf-root": join(bpffs, name),
        "log-level": "debug",
        // A pod's every trace is counted here; nodes do not probe each other meanwhile.
        "enable-health-checking": "false",
        ...options.config,
      };
      const node = new TestNode({
        name,
        netns,
        folder,
        agent: options.agent ?? join(root, "apps/agent/src/main.ts"),
        args: flags({ kubeconfig: `${kubeconfig}.node`, ...config }),
      });
      cleanUp.defer(() => node.stop("SIGKILL"));
      nodes.push(node);
    }
    await Promise.all([options.prepare?.(client), ...nodes.map((node) => node.start())]);
    return new TestCluster({ folder, topology, client, nodes, ...api, cleanUp: cleanUp.move() });
  }

  /** The only node, or the first. */
  get node(): TestNode {
    return this.nodes[0] as TestNode;
  }

  /** A Pod on a node, as scheduled; no kubelet runs here. */
  async createPod(
    name: string,
    metadata: Pick<Pod["metadata"], "labels" | "annotations">,
    node = "node-1",
  ): Promise<Pod> {
    const signal = AbortSignal.timeout(5000);
    const pod: Pod = {
      metadata: { name, namespace: "default", ...metadata },
      spec: {
        nodeName: node,
        containers: [
          { name: "c", image: "tsilium.io/echo", ports: [{ name: "http", containerPort: 80 }] },
        ],
      },
    };
    return this.client.create(resources.pods, pod, { signal });
  }

  /** Kills the API server; `startApi` brings it back with all it had acknowledged. */
  async stopApi(): Promise<void> {
    const server = this.#apiServer();
    server.kill("SIGKILL");
    await once(server, "exit");
  }

  startApi(): Promise<void> {
    return this.#restartApi();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanUp[Symbol.asyncDispose]();
  }
}

/** CNI_ARGS for a pod, as kubelets and CRI runtimes set them. */
export function podArgs(pod: Pod): string {
  const { namespace, name, uid } = pod.metadata;
  return `IgnoreUnknown=1;K8S_POD_NAMESPACE=${namespace};K8S_POD_NAME=${name};K8S_POD_UID=${uid}`;
}

const poolConfig = {
  "cluster-pool-ipv4-cidr": "10.244.0.0/16",
  "cluster-pool-ipv6-cidr": "fd00:10:244::/56",
};

function flags(config: Readonly<Record<string, string>>): string[] {
  return Object.entries(config).flatMap(([key, value]) => [`--${key}`, value]);
}

function wireNodes(topology: Topology, count: number): Netns[] {
  const nodes = Array.from({ length: count }, (_, index) => topology.netns(`node-${index + 1}`));
  const end = (netns: Netns, index: number) => ({
    netns,
    device: "eth0",
    addresses: [`172.18.0.${index + 2}/24`, `fc00:18::${index + 2}/64`],
  });
  const [first, second] = nodes;
  const other = second ? end(second, 1) : { netns: topology.netns("fabric"), device: "eth0" };
  topology.wire(end(first as Netns, 0), other);
  return nodes;
}

async function registerNode(client: KubeClient, name: string, index: number): Promise<void> {
  const signal = AbortSignal.timeout(5000);
  const addresses = [`172.18.0.${index + 2}`, `fc00:18::${index + 2}`];
  await client.create(resources.nodes, { metadata: { name } }, { signal });
  await client.patchStatus(resources.nodes, name, {
    status: { addresses: addresses.map((address) => ({ type: "InternalIP", address })) },
    signal,
  });
}
