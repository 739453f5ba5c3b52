// A lab's node with a container runtime of its own: containerd in the node's network namespace and cgroup, and a kubelet
// that runs the node's pods of the RuntimeClass "containerd" there, through the configuration that the agent installed.
import { join } from "node:path";
import { labLayout, type NodeLayout } from "../../../apps/lab/src/layout.ts";
import { Containerd, type Cri } from "./containerd.ts";
import { type NodeFacts, podLabels } from "./pod-config.ts";
import { CriKubelet } from "./kubelet.ts";

export type ExecResult = {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
};

const clusterDns = {
  servers: ["10.96.0.10"],
  searches: ["svc.cluster.local", "cluster.local"],
  options: ["ndots:5"],
};

export class RuntimeNode {
  readonly containerd: Containerd;
  readonly cri: Cri;
  readonly layout: NodeLayout;
  /** Of the lab's API server. */
  readonly kubeconfig: string;
  readonly #facts: NodeFacts;
  readonly #said: string[] = [];
  #kubelet: CriKubelet | undefined;

  private constructor(containerd: Containerd, lab: string, node: number) {
    const layout = labLayout(lab);
    this.containerd = containerd;
    this.cri = containerd.cri();
    this.layout = layout.node(node);
    this.kubeconfig = layout.kubeconfig;
    this.#facts = {
      addresses: [this.layout.ipv4, this.layout.ipv6],
      cgroupParent: containerd.cgroupParent,
      logs: join(containerd.folder, "pods"),
      dns: clusterDns,
    };
  }

  /** @param lab the name of a lab that is up */
  static async start(lab: string, node: number): Promise<RuntimeNode> {
    const { netns, cgroup, cniBinDir, cniConfDir } = labLayout(lab).node(node);
    const containerd = await Containerd.start({ netns, cgroup, cniBinDir, cniConfDir });
    const runtime = new RuntimeNode(containerd, lab, node);
    runtime.startKubelet();
    return runtime;
  }

  /** What the kubelet had to say. */
  get said(): readonly string[] {
    return this.#said;
  }

  startKubelet(): void {
    this.#kubelet = new CriKubelet({
      kubeconfig: this.kubeconfig,
      nodeName: this.layout.name,
      netns: this.layout.netns,
      node: this.#facts,
      cri: this.cri,
      log: (message) => this.#said.push(message),
    });
    this.#kubelet.start();
  }

  /** Pods go on at the runtime. */
  async stopKubelet(): Promise<void> {
    await this.#kubelet?.stop();
    this.#kubelet = undefined;
  }

  /** Runs a command in a pod's first running container. @throws Error when there is none */
  async exec(pod: string, cmd: readonly string[]): Promise<ExecResult> {
    const { containers } = await this.cri.listContainers({
      filter: { labelSelector: { [podLabels.name]: pod } },
    });
    const running = containers.find(({ state }) => state === 1);
    if (!running) throw new Error(`no container of pod ${pod} runs`);
    const { stdout, stderr, exitCode } = await this.cri.execSync({
      containerId: running.id,
      cmd: [...cmd],
      timeout: 20n,
    });
    const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
    return { status: exitCode, stdout: text(stdout), stderr: text(stderr) };
  }

  /** Of the process that holds a pod's sandbox. */
  async sandboxPid(pod: string): Promise<number> {
    const { items } = await this.cri.listPodSandbox({
      filter: { labelSelector: { [podLabels.name]: pod } },
    });
    const ready = items.find(({ state }) => state === 0);
    if (!ready) throw new Error(`no sandbox of pod ${pod} is ready`);
    const { info } = await this.cri.podSandboxStatus({ podSandboxId: ready.id, verbose: true });
    return (JSON.parse(info["info"] ?? "{}") as { pid: number }).pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopKubelet();
    await this.containerd[Symbol.asyncDispose]();
  }
}
