// A cluster for tests: the real API server, operator and agents, nodes as namespaces on one wire. Pods are
// namespaces that the real CNI plugin is run on.
//
//   node-1 eth0 172.18.0.2 <====> eth0 172.18.0.3 node-2        the API server listens on each node's loopback
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createPki } from "@tsilium/apiserver";
import { KubeClient, type Pod, resources } from "@tsilium/kube";
import { Address } from "@tsilium/net";
import {
  AF_INET,
  bind,
  close,
  listen,
  mount,
  projectRoot,
  sockaddrIn,
  socket,
  SOCK_STREAM,
  umount2,
  withNetns,
} from "@tsilium/syscall";
import { type Netns, Topology } from "@tsilium/testkit";

const root = projectRoot();
const apiPort = 6443;

export type ClusterOptions = {
  readonly nodes?: 1 | 2;
  /** Of the agents. */
  readonly config?: Readonly<Record<string, string>>;
  /** Of the agents and the operator: cluster-pool-*. */
  readonly pools?: Readonly<Record<string, string>>;
  /** The agent to run; its source when absent. */
  readonly agent?: string;
};
export type CniAnswer = { readonly status: number | null; readonly output: string };

/** One node: its namespace, its folders and its agent. */
export class TestNode {
  readonly name: string;
  readonly netns: Netns;
  readonly runDir: string;
  readonly #args: readonly string[];
  readonly #log: number;
  #agent: ChildProcess | undefined;

  constructor(options: {
    name: string;
    netns: Netns;
    folder: string;
    agent: string;
    args: readonly string[];
  }) {
    const { name, netns, folder, agent, args } = options;
    this.name = name;
    this.netns = netns;
    this.runDir = join(folder, name);
    mkdirSync(this.runDir, { recursive: true });
    this.#log = openSync(join(folder, `${name}.log`), "a");
    this.#args = [agent, ...args, "--k8s-node-name", name, "--run-dir", this.runDir];
  }

  get pid(): number {
    return this.#agent?.pid ?? 0;
  }

  /** Starts the agent; resolves when it serves CNI, or when it has ended. */
  async start(): Promise<void> {
    const agent = this.netns.spawn(process.execPath, this.#args, {
      stdio: ["ignore", this.#log, this.#log],
    });
    this.#agent = agent;
    while (agent.exitCode === null && !(await this.isReady())) await sleep(25);
  }

  async isReady(): Promise<boolean> {
    const { status } = await this.cni("STATUS", "none", { cniVersion: "1.1.0" });
    return status === 0;
  }

  /** Ends the agent and waits until it is gone. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    const agent = this.#agent;
    if (!agent || agent.exitCode !== null || agent.signalCode !== null) return;
    agent.kill(signal);
    await once(agent, "exit");
  }

  /** Runs the plugin as a runtime would. */
  async cni(command: string, containerId: string, options: CniOptions = {}): Promise<CniAnswer> {
    const { netns = "", ifName = "eth0", args = "", stdin, ...config } = options;
    const plugin = this.netns.run(() =>
      spawn(join(root, "dist/bin/tsilium-cni"), [], {
        env: {
          CNI_COMMAND: command,
          CNI_CONTAINERID: containerId,
          CNI_NETNS: netns,
          CNI_IFNAME: ifName,
          CNI_ARGS: args,
          CNI_PATH: join(root, "dist/bin"),
        },
        stdio: ["pipe", "pipe", "inherit"],
      }),
    );
    const netconf = {
      cniVersion: "1.1.0",
      name: "tsilium",
      type: "tsilium-cni",
      agentSocket: join(this.runDir, "tsilium.sock"),
      deleteQueue: join(this.runDir, "deleteQueue"),
      ...config,
    };
    let output = "";
    plugin.stdout.setEncoding("utf8").on("data", (chunk: string) => (output += chunk));
    plugin.stdin.on("error", () => undefined).end(stdin ?? JSON.stringify(netconf));
    const [status] = (await once(plugin, "close")) as [number | null];
    return { status, output };
  }

  /** GETs a stream of lines from the agent's socket; asked for with the first `next`. */
  stream(path: string): AsyncGenerator<string, undefined> {
    return linesOf(join(this.runDir, "tsilium.sock"), path);
  }

  /** GETs from the agent's socket: the status and the parsed body. */
  get<T>(path: string): Promise<{ status: number; body: T }> {
    return new Promise((resolve, reject) => {
      request({ socketPath: join(this.runDir, "tsilium.sock"), path, agent: false }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () =>
          resolve({
            status: response.statusCode ?? 0,
            body: (text === "" ? undefined : JSON.parse(text)) as T,
          }),
        );
      })
        .on("error", reject)
        .end();
    });
  }
}

/** Lines of a chunked answer. */
async function* linesOf(socketPath: string, path: string): AsyncGenerator<string, undefined> {
  const asked = request({ socketPath, path, agent: false }).end();
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  let pending = "";
  for await (const chunk of response.setEncoding("utf8") as AsyncIterable<string>) {
    const lines = (pending + chunk).split("\n");
    pending = lines.pop() as string;
    yield* lines;
  }
}

export type CniOptions = {
  readonly netns?: string;
  readonly ifName?: string;
  readonly args?: string;
  /** In place of the configuration. */
  readonly stdin?: string;
  readonly cniVersion?: string;
  readonly name?: string;
  readonly prevResult?: unknown;
  readonly ipam?: unknown;
  readonly "cni.dev/valid-attachments"?: unknown;
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
    const api = await startApiServer(folder, kubeconfig, netnses, cleanUp);
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
    await Promise.all(nodes.map((node) => node.start()));
    return new TestCluster({ folder, topology, client, nodes, ...api, cleanUp: cleanUp.move() });
  }

  /** The only node, or the first. */
  get node(): TestNode {
    return this.nodes[0] as TestNode;
  }

  /** A Pod on a node, as scheduled; no kubelet runs here. */
  async createPod(name: string, labels: Record<string, string>, node = "node-1"): Promise<Pod> {
    const signal = AbortSignal.timeout(5000);
    const pod: Pod = {
      metadata: { name, namespace: "default", labels },
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

async function startApiServer(
  folder: string,
  kubeconfig: string,
  netnses: readonly Netns[],
  cleanUp: AsyncDisposableStack,
) {
  const pki = await createPki(join(folder, "pki"));
  const admin = await pki.client("admin", ["system:masters"]);
  const listeners = netnses.map(loopbackListener);
  cleanUp.defer(() => listeners.forEach(close));
  let port = 0;
  let server: ChildProcess | undefined;
  const start = async () => {
    const args = [
      join(root, "apps/apiserver/src/main.ts"),
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
