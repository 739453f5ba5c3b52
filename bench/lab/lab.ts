// A lab of two nodes for one bench: the real API server, operator and agents.
import { execFile, spawnSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { KubeClient, type Pod, resources } from "@tsilium/kube";
import { projectRoot } from "@tsilium/syscall";
import { labLayout } from "../../apps/lab/src/layout.ts";
import { readState } from "../../apps/lab/src/state.ts";
import { residentBytes } from "../pods/memory.ts";
import { processCpuMs } from "./cpu.ts";

const tsilium = join(projectRoot(), "tsilium");

export type LabNode = {
  readonly name: string;
  /** Where its maps are pinned. */
  readonly bpffs: string;
  /** Of the agent's REST API. */
  readonly socket: string;
  agentPid(): number;
  /** VmRSS of its agent's processes. */
  agentBytes(): number;
  /** CPU that its agent's process took so far. */
  agentCpuMs(): number;
};

export type LabOptions = {
  readonly nodes?: number;
  /** The agents' configuration. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Tells several labs of one bench apart. */
  readonly label?: string;
};

/** An exit like any other: "exit" is not emitted by a signal. */
const endBySignal = (): never => process.exit(130);

export class BenchLab implements AsyncDisposable {
  readonly client: KubeClient;
  readonly nodes: readonly LabNode[];
  readonly #name: string;
  readonly #onExit: () => void;

  private constructor(name: string, nodes: number, onExit: () => void) {
    const layout = labLayout(name);
    this.#name = name;
    this.#onExit = onExit;
    this.client = KubeClient.fromKubeconfig(layout.kubeconfig);
    this.nodes = Array.from({ length: nodes }, (_, index) => {
      const { name: node, bpfRoot, socket } = layout.node(index + 1);
      return {
        name: node,
        bpffs: bpfRoot,
        socket,
        agentPid: () => agentPid(name, node),
        agentBytes: () => residentBytes(agentPid(name, node)),
        agentCpuMs: () => processCpuMs(agentPid(name, node)),
      };
    });
  }

  /** Resolves when every node is ready. @throws Error with what the lab said */
  static async up({ nodes = 2, settings = {}, label = "" }: LabOptions = {}): Promise<BenchLab> {
    const name = `bench-${process.pid}${label === "" ? "" : `-${label}`}`;
    const down = () => void spawnSync(tsilium, ["lab", "--name", name, "down"]);
    process.once("exit", down);
    process.once("SIGINT", endBySignal);
    process.once("SIGTERM", endBySignal);
    const set = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
    await run(name, ["up", "--nodes", String(nodes), "--wait", ...set]);
    return new BenchLab(name, nodes, down);
  }

  /** Does something to policies or services; resolves when all of it is in every node's kernel. */
  async force(change: () => Promise<void>): Promise<void> {
    await change();
    await run(this.#name, ["wait", "--for", "policy", "--timeout", "120s"]);
  }

  /** Until all pods are ready. */
  async ready(): Promise<void> {
    await run(this.#name, ["wait", "--for", "ready", "-A", "--timeout", "120s"]);
  }

  /** What a command of ours prints with `-o json`, asked in this lab. */
  async ask<Answer>(program: "tsilium" | "hubble", ...args: readonly string[]): Promise<Answer> {
    const env = { ...process.env, TSILIUM_LAB: this.#name };
    const command = join(projectRoot(), program);
    const { stdout } = await promisify(execFile)(command, [...args, "-o", "json"], { env });
    return JSON.parse(stdout) as Answer;
  }

  /** A pod on a node that does nothing but be there. */
  async createPod(pod: { name: string; namespace: string; labels: object }, node: string) {
    const { name, namespace, labels } = pod;
    const object = {
      metadata: { name, namespace, labels },
      spec: {
        nodeName: node,
        containers: [{ name: "c", image: "tsilium.io/echo", ports: [{ containerPort: 80 }] }],
      },
    };
    await this.client.create(resources.pods, object as Pod, {
      signal: AbortSignal.timeout(10_000),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client[Symbol.dispose]();
    process.off("exit", this.#onExit);
    await run(this.#name, ["down"]);
  }
}

async function run(name: string, args: readonly string[]): Promise<void> {
  await promisify(execFile)(tsilium, ["lab", "--name", name, ...args]);
}

function agentPid(lab: string, node: string): number {
  const processes = readState(labLayout(lab))?.processes ?? [];
  const pid = processes.find(({ name }) => name === `agent/${node}`)?.pid;
  if (pid === undefined) throw new Error(`no agent runs on ${node}`);
  return pid;
}
