// A lab from claim to clean-up, in the order in which things depend on each other.
//
//   namespaces, cgroups, bpffs --> PKI, listeners --> API server --> operator, agents --> nodes ready --> DNS
import { appendFileSync, chmodSync, mkdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createPki, type Pki } from "@tsilium/apiserver/pki.ts";
import { KubeClient } from "@tsilium/kube";
import { mount } from "@tsilium/syscall";
import manifest from "../../../package.json" with { type: "json" };
import { writeKubeconfig } from "./cluster/kubeconfig.ts";
import { ApiListeners } from "./cluster/listeners.ts";
import { installDns, isDnsReady } from "./cluster/dns-objects.ts";
import { makeHubbleCertificates } from "./cluster/hubble-certificates.ts";
import { agent, apiServer, operator, relay, worldEcho } from "./cluster/processes.ts";
import { RelayProbe } from "./cluster/relay-ready.ts";
import {
  accelerationOf,
  clusterName,
  hasFamily,
  hasHubble,
  isHostBalanced,
  labSettings,
  type Settings,
} from "./cluster/settings.ts";
import { startWorldDns } from "./dns/world.ts";
import { LabError } from "./error.ts";
import { withNodesReasons } from "./cluster/nodes-reasons.ts";
import { Kubelet } from "./kubelet/kubelet.ts";
import {
  apiServerPort,
  fabricAddresses,
  type LabLayout,
  labLayout,
  labsFolder,
  type NodeLayout,
} from "./layout.ts";
import { reservedPrefixes } from "./load-balancer/addresses.ts";
import { LoadBalancerRoutes } from "./load-balancer/load-balancer-routes.ts";
import { LabLock } from "./lock.ts";
import { startGuard } from "./processes/guard.ts";
import { identify, type ProcessIdentity } from "./processes/identity.ts";
import { Supervisor } from "./processes/supervisor.ts";
import { appCommand, builtProgram } from "./runner/runner.ts";
import { writeState } from "./state.ts";
import { sweepCrashedLabs, sweepLab } from "./sweep.ts";
import { makeCgroup } from "./topology/cgroup.ts";
import { prepareNamespaceFolder } from "./topology/namespace.ts";
import { createTopology } from "./topology/topology.ts";
import { prepareForXdp } from "./topology/xdp-wires.ts";
import { type LabOptions, tell } from "./up-protocol.ts";

const startPatienceMs = 60_000;

export class Lab {
  readonly #options: LabOptions;
  readonly #layout: LabLayout;
  readonly #lock: LabLock;
  readonly #nodes: readonly NodeLayout[];
  /** The user's, over what a lab sets by itself. */
  readonly #settings: Settings;
  readonly #supervisor = new Supervisor(() => this.#changed());
  readonly #resources = new DisposableStack();
  readonly #startedAt = new Date();
  readonly #readyNodes = new Set<string>();
  #phase: "starting" | "ready" = "starting";
  #ownsNamespaceFolder = false;
  #server: string | undefined;
  #kubelet: Kubelet | undefined;
  #loadBalancerRoutes: LoadBalancerRoutes | undefined;
  #writing = false;

  private constructor(options: LabOptions, layout: LabLayout, lock: LabLock) {
    this.#options = options;
    this.#layout = layout;
    this.#lock = lock;
    this.#nodes = Array.from({ length: options.nodes }, (_, at) => layout.node(at + 1));
    this.#settings = { ...labSettings, ...options.settings };
  }

  /** Becomes the owner of the lab's name. @throws LabError "already_running" */
  static claim(options: LabOptions): Lab {
    const layout = labLayout(options.name);
    const lock = LabLock.tryTake(layout);
    if (lock) return new Lab(options, layout, lock);
    throw new LabError(
      "already_running",
      `lab "${options.name}" is running already`,
      `Take it down with \`tsilium lab down --name ${options.name}\`, or use another --name.`,
    );
  }

  /** Makes the lab; resolves when every node is ready. On failure the caller takes it down. @throws LabError */
  async start(signal: AbortSignal): Promise<void> {
    const programs = {
      echo: builtProgram("echo"),
      dns: appCommand("dns", "apps/lab/src/dns/main.ts"),
    };
    await this.#clearGround();
    this.#makePlaces();
    const { pki, listeners } = await this.#makeAccess();
    this.#startProcesses(listeners);
    this.#resources.use(await startWorldDns(this.#layout, this.log));
    const client = this.#resources.use(await this.#connect(pki, listeners.port));
    await this.#until(signal, "the API server", () => isServing(client, signal));
    this.#say(`API server at ${this.#server}`);
    this.#startLoadBalancerRoutes(client);
    this.#kubelet = new Kubelet({
      client,
      lab: this.#layout,
      nodes: this.#nodes,
      programs,
      clusterDnsForHost: isHostBalanced(this.#settings) ? "service" : "pods",
      version: `v${manifest.version}`,
      readyChanged: (node, ready) => this.#nodeReady(node, ready),
      log: this.log,
    });
    this.#resources.use(await this.#kubelet.serve(this.#layout.kubeletSocket));
    this.#kubelet.start();
    const dns = await installDns(client, join(this.#layout.folder, "dns.kubeconfig"), signal);
    this.#kubelet.clusterDnsIs(dns.filter((address) => this.#hasFamilyOf(address)));
    const allReady = () => this.#readyNodes.size === this.#nodes.length;
    await this.#until(signal, "the nodes", allReady).catch(async (error: unknown) => {
      throw await withNodesReasons(error, client, signal);
    });
    if (this.#options.wait) {
      await this.#until(signal, "cluster DNS", () => isDnsReady(client, signal));
      this.#say("cluster DNS is ready");
      await this.#relayReady(signal);
    }
    this.#phase = "ready";
    this.#writeState();
  }

  async #relayReady(signal: AbortSignal): Promise<void> {
    if (!hasHubble(this.#settings)) return;
    using probe = await RelayProbe.of(this.#layout);
    const nodes = this.#nodes.length;
    await this.#until(signal, "the Hubble relay", () => probe.hasNodes(nodes, signal));
    this.#say("the Hubble relay has all nodes' flows");
  }

  /** Ends and removes everything, also after half a start. */
  async down(): Promise<void> {
    this.#kubelet?.stop();
    this.#supervisor.abandon();
    this.#resources.dispose();
    await sweepLab(this.#layout);
    this.#lock[Symbol.dispose]();
  }

  /** Writes to the daemon's log; nothing once the lab's folder is gone. */
  readonly log = (message: string): void => {
    try {
      const line = `${new Date().toISOString()} ${message}\n`;
      appendFileSync(join(this.#layout.logs, "daemon.log"), line);
    } catch {
      // Before the folder is made and after it is removed there is nowhere to write.
    }
  };

  /** What an earlier lab of this name, or a crashed one of another, left behind. */
  async #clearGround(): Promise<void> {
    if (await sweepLab(this.#layout)) this.#say("cleaned up after a lab that crashed");
    for (const name of await sweepCrashedLabs(this.#layout.name))
      this.#say(`cleaned up after lab "${name}", which crashed`);
  }

  #makePlaces(): void {
    const lab = this.#layout;
    mkdirSync(lab.logs, { recursive: true, mode: 0o700 });
    this.#ownsNamespaceFolder = prepareNamespaceFolder();
    this.#writeState();
    for (const folder of ["control", "world"]) makeCgroup(join(lab.cgroup, folder));
    this.#resources.use(startGuard(lab.cgroup));
    mkdirSync(lab.bpffs);
    mount({ source: "bpf", target: lab.bpffs, type: "bpf", data: "mode=0700" });
    openForPassing([dirname(labsFolder()), labsFolder(), lab.folder]);
    for (const node of this.#nodes) {
      mkdirSync(node.folder, { mode: 0o711 });
      mkdirSync(node.pods, { mode: 0o700 });
      mkdirSync(node.bpfRoot, { recursive: true });
      for (const folder of ["agent", "host", "pods"]) makeCgroup(join(node.cgroup, folder));
    }
    createTopology(lab, this.#nodes);
    this.#resources.use(prepareForXdp(lab, this.#nodes, accelerationOf(this.#settings)));
    const count = this.#nodes.length === 1 ? "1 node" : `${this.#nodes.length} nodes`;
    this.#say(`network namespaces: fabric, world and ${count}`);
  }

  #startLoadBalancerRoutes(client: KubeClient): void {
    const routes = new LoadBalancerRoutes({
      client,
      lab: this.#layout,
      nodes: this.#nodes,
      reserved: reservedPrefixes(this.#nodes, this.#settings),
      changed: () => this.#changed(),
      log: this.log,
    });
    this.#loadBalancerRoutes = this.#resources.use(routes);
    routes.start();
  }

  #hasFamilyOf(address: string): boolean {
    return hasFamily(this.#settings, address.includes(":") ? 6 : 4);
  }

  /** Authority, listening sockets and everybody's kubeconfig. */
  async #makeAccess(): Promise<{ pki: Pki; listeners: ApiListeners }> {
    const lab = this.#layout;
    const pki = await createPki(lab.pki);
    const listeners = this.#resources.use(ApiListeners.open(lab.fabricNetns));
    this.#server = `https://127.0.0.1:${listeners.port}`;
    const inCluster = `https://${fabricAddresses.ipv4}:${apiServerPort}`;
    // The DNS server is a pod, and pods may have IPv6 alone.
    const forPods = hasFamily(this.#settings, 4)
      ? inCluster
      : `https://[${fabricAddresses.ipv6}]:${apiServerPort}`;
    const write = async (path: string, user: string, server: string, groups: string[]) =>
      writeKubeconfig(path, {
        lab: lab.name,
        server,
        ca: pki.ca,
        user,
        credentials: await pki.client(user, groups),
      });
    await write(lab.kubeconfig, "admin", this.#server, ["system:masters"]);
    for (const [name, server] of [
      ["operator", inCluster],
      ["dns", forPods],
    ] as const)
      await write(join(lab.folder, `${name}.kubeconfig`), name, server, ["system:masters"]);
    for (const node of this.#nodes)
      await write(node.kubeconfig, `agent:${node.name}`, inCluster, ["system:masters"]);
    if (hasHubble(this.#settings))
      await makeHubbleCertificates(lab, this.#nodes, clusterName(this.#settings));
    return { pki, listeners };
  }

  #startProcesses(listeners: ApiListeners): void {
    const lab = this.#layout;
    const settings = this.#settings;
    this.#supervisor.start(apiServer(lab, listeners.descriptors, settings));
    this.#supervisor.start(operator(lab, join(lab.folder, "operator.kubeconfig"), settings));
    for (const node of this.#nodes) this.#supervisor.start(agent(lab, node, settings));
    if (hasHubble(settings)) this.#supervisor.start(relay(lab, this.#nodes, settings));
    this.#supervisor.start(worldEcho(lab));
  }

  async #connect(pki: Pki, port: number): Promise<KubeClient> {
    const { cert, key } = await pki.client("kubelet", ["system:masters"]);
    return new KubeClient({
      server: `https://127.0.0.1:${port}`,
      ca: pki.ca,
      cert,
      key,
      userAgent: "kubelet",
    });
  }

  #nodeReady(node: NodeLayout, ready: boolean): void {
    if (ready) this.#readyNodes.add(node.name);
    else this.#readyNodes.delete(node.name);
    this.#loadBalancerRoutes?.nodesAre(this.#readyNodes);
    if (this.#phase === "starting" && ready) this.#say(`${node.name} is ready`);
    this.#changed();
  }

  /** Waits for a condition, as long as nothing keeps crashing. @throws LabError "start_failed" */
  async #until(
    signal: AbortSignal,
    what: string,
    condition: () => boolean | Promise<boolean>,
  ): Promise<void> {
    const deadline = performance.now() + startPatienceMs;
    while (!(await condition())) {
      signal.throwIfAborted();
      this.#supervisor.check();
      if (performance.now() > deadline) throw this.#tooLate(what);
      await sleep(20);
    }
  }

  #tooLate(what: string): LabError {
    const missing = this.#nodes
      .map(({ name }) => name)
      .filter((name) => !this.#readyNodes.has(name));
    return new LabError(
      "start_failed",
      `${what} did not become ready within ${startPatienceMs / 1000} s${missing.length > 0 ? ` (${missing.join(", ")})` : ""}`,
      missing.length > 0
        ? "`tsilium --node NODE status` of a lab that is starting tells what an agent waits for."
        : "Without --wait the lab stays up, and `tsilium --node NODE status` tells what is amiss.",
    );
  }

  #changed(): void {
    if (this.#writing) return;
    this.#writing = true;
    // Several changes in one turn are one write.
    queueMicrotask(() => {
      this.#writing = false;
      if (!this.#resources.disposed) this.#writeState();
    });
  }

  #writeState(): void {
    const daemon = identify(process.pid) as ProcessIdentity;
    writeState(this.#layout, {
      name: this.#layout.name,
      phase: this.#phase,
      nodes: this.#nodes.map(({ name }) => name),
      readyNodes: [...this.#readyNodes].toSorted(),
      settings: this.#options.settings,
      startedAt: this.#startedAt.toISOString(),
      ...(this.#server === undefined ? {} : { server: this.#server }),
      daemon,
      loadBalancerRoutes: (this.#loadBalancerRoutes?.routes ?? []).map(({ prefix, node, of }) => ({
        destination: prefix.toString(),
        node,
        of,
      })),
      processes: this.#supervisor.reports(),
      ownsNamespaceFolder: this.#ownsNamespaceFolder,
    });
  }

  #say(text: string): void {
    this.log(text);
    void tell({ kind: "progress", text });
  }
}

/** Proxies are no users of root, and have folders of their own below: everything else protects itself. */
function openForPassing(folders: readonly string[]): void {
  for (const folder of folders) chmodSync(folder, (statSync(folder).mode & 0o7777) | 0o011);
}

async function isServing(client: KubeClient, signal: AbortSignal): Promise<boolean> {
  try {
    await client.raw("/readyz", { signal });
    return true;
  } catch (error) {
    signal.throwIfAborted();
    void error; // it is starting, or starting again
    return false;
  }
}
