// A node as the API knows it: the Node object, its readiness, its lease. Ready means that a CNI configuration
// is installed, which the agent does when it can serve pods.
import { type FSWatcher, mkdirSync, watch } from "node:fs";
import { availableParallelism, release, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { type Condition, type KubeClient, KubeError, type Node, resources } from "@tsilium/kube";
import type { NodeLayout } from "../layout.ts";
import { isCniConfigured } from "./cni.ts";
import { now, nowMicro } from "./time.ts";

const leaseNamespace = "kube-node-lease";
const leaseDurationSeconds = 40;
const renewEveryMs = 10_000;
const podCapacity = "500";

export type RegistrationOptions = {
  readonly client: KubeClient;
  readonly node: NodeLayout;
  readonly version: string;
  readonly signal: AbortSignal;
  readonly readyChanged: (ready: boolean) => void;
  readonly log: (message: string) => void;
};

export class NodeRegistration {
  readonly #options: RegistrationOptions;
  #watcher: FSWatcher | undefined;
  #ready: boolean | undefined;
  #since = now();

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /** Creates the Node, then keeps its readiness and lease true until the signal aborts. */
  async run(): Promise<void> {
    const { node, signal } = this.#options;
    mkdirSync(node.cniConfDir, { recursive: true });
    await this.#insist("register", () => this.#create());
    this.#watcher = watch(node.cniConfDir, { persistent: false }, () => void this.#checkReady());
    signal.addEventListener("abort", () => this.#watcher?.close(), { once: true });
    await this.#checkReady();
    while (!signal.aborted) {
      await this.#insist("renew the lease", () => this.#renewLease());
      await sleep(renewEveryMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #checkReady(): Promise<void> {
    const ready = isCniConfigured(this.#options.node);
    if (ready === this.#ready) return;
    this.#ready = ready;
    this.#since = now();
    await this.#insist("report readiness", () => this.#writeStatus());
    if (ready === this.#ready) this.#options.readyChanged(ready);
  }

  async #create(): Promise<void> {
    const { client, signal, node } = this.#options;
    try {
      await client.create(resources.nodes, this.#node(), { signal });
    } catch (error) {
      if (!KubeError.isAlreadyExists(error)) throw error;
      await client.replace(resources.nodes, { ...this.#node() }, { signal });
    }
    this.#options.log(`node ${node.name}: registered`);
  }

  #node(): Node {
    const { node } = this.#options;
    return {
      metadata: {
        name: node.name,
        labels: {
          "kubernetes.io/hostname": node.name,
          "kubernetes.io/os": "linux",
          "kubernetes.io/arch": process.arch === "x64" ? "amd64" : process.arch,
          // As a cloud's: a zone for each, so that what prefers its own zone has a choice to make.
          "topology.kubernetes.io/zone": `zone-${node.number}`,
        },
      },
      spec: { providerID: `tsilium-lab://${node.name}` },
    };
  }

  async #writeStatus(): Promise<void> {
    const { client, node, signal, version } = this.#options;
    // Every node has the machine's, as far as it can tell; nothing is scheduled by them.
    const capacity = {
      pods: podCapacity,
      cpu: String(availableParallelism()),
      memory: `${Math.floor(totalmem() / 1024)}Ki`,
    };
    await client.patchStatus(resources.nodes, node.name, {
      signal,
      status: {
        addresses: [
          { type: "InternalIP", address: node.ipv4 },
          { type: "InternalIP", address: node.ipv6 },
          { type: "Hostname", address: node.name },
        ],
        conditions: [this.#readyCondition()],
        capacity,
        allocatable: capacity,
        nodeInfo: {
          kubeletVersion: version,
          kernelVersion: release(),
          osImage: "this machine",
          operatingSystem: "linux",
          architecture: process.arch === "x64" ? "amd64" : process.arch,
          containerRuntimeVersion: `tsilium-lab://${version}`,
        },
      },
    });
  }

  #readyCondition(): Condition {
    const times = { lastHeartbeatTime: now(), lastTransitionTime: this.#since };
    return this.#ready
      ? { type: "Ready", status: "True", reason: "KubeletReady", message: "", ...times }
      : {
          type: "Ready",
          status: "False",
          reason: "KubeletNotReady",
          message:
            "container runtime network not ready: the agent has installed no CNI configuration",
          ...times,
        };
  }

  async #renewLease(): Promise<void> {
    const { client, node, signal } = this.#options;
    const spec = { holderIdentity: node.name, leaseDurationSeconds, renewTime: nowMicro() };
    const options = { namespace: leaseNamespace, signal };
    try {
      await client.patch(resources.leases, node.name, {
        ...options,
        type: "merge",
        patch: { spec },
      });
    } catch (error) {
      if (!KubeError.isNotFound(error)) throw error;
      await client.create(resources.leases, { metadata: { name: node.name }, spec }, options);
    }
  }

  /** Tries until it works or the kubelet ends. */
  async #insist(what: string, action: () => Promise<void>): Promise<void> {
    const { signal, log, node } = this.#options;
    for (let delayMs = 100; !signal.aborted; delayMs = Math.min(delayMs * 2, 5000)) {
      try {
        return await action();
      } catch (error) {
        if (signal.aborted) return;
        log(`node ${node.name}: cannot ${what}: ${(error as Error).message}`);
        await sleep(delayMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }
}
