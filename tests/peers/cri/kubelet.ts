// A small kubelet over CRI: runs the pods of one node that are of the RuntimeClass "containerd", which the lab's own
// kubelet leaves alone, and removes sandboxes of pods that are gone. It keeps nothing in memory that matters: another
// one takes up where it ends.
import { setTimeout as sleep } from "node:timers/promises";
import { KubeClient, type Pod, reflect, resources } from "@tsilium/kube";
import type { Cri } from "./containerd.ts";
import { podLabels, type NodeFacts } from "./pod-config.ts";
import { RuntimePod } from "./runtime-pod.ts";

export const runtimeClassName = "containerd";

export type KubeletOptions = {
  readonly kubeconfig: string;
  readonly nodeName: string;
  readonly netns: string;
  readonly node: NodeFacts;
  readonly cri: Cri;
  readonly log: (message: string) => void;
};

/** Kubernetes does it once a second; a test waits for every answer. */
const relistEveryMs = 100;

export class CriKubelet {
  readonly #options: KubeletOptions;
  readonly #client: KubeClient;
  readonly #stop = new AbortController();
  readonly #pods = new Map<string, RuntimePod>();
  #synced = false;
  #relisting: Promise<void> | undefined;

  constructor(options: KubeletOptions) {
    this.#options = options;
    this.#client = KubeClient.fromKubeconfig(options.kubeconfig);
  }

  start(): void {
    const { signal } = this.#stop;
    const { log } = this.#options;
    const handlers = {
      upsert: (pod: Pod) => this.#upsert(pod),
      delete: (pod: Pod) => this.#pods.get(pod.metadata.uid ?? "")?.removed(),
      synced: () => (this.#synced = true),
      onError: (error: unknown) => log(`pods: ${(error as Error).message}`),
    };
    void reflect(this.#client, resources.pods, { signal, handlers });
    this.#relisting = this.#relist();
  }

  /** Ends this kubelet and nothing else: pods go on at the runtime. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all([...this.#pods.values()].map(({ done }) => done));
    await this.#relisting;
    this.#client[Symbol.dispose]();
  }

  #upsert(pod: Pod): void {
    const { nodeName, cri, node, netns, log } = this.#options;
    if (pod.spec.nodeName !== nodeName || pod.spec.runtimeClassName !== runtimeClassName) return;
    const uid = pod.metadata.uid ?? "";
    const known = this.#pods.get(uid);
    if (known) return known.update(pod);
    const context = { client: this.#client, cri, node, netns, log, signal: this.#stop.signal };
    const runtimePod = new RuntimePod(pod, context);
    this.#pods.set(uid, runtimePod);
    void runtimePod.done.then(() => this.#pods.delete(uid));
  }

  /** Asks the runtime what there is, tells the pods, and removes what is no pod's any more. */
  async #relist(): Promise<void> {
    const { signal } = this.#stop;
    for (; !signal.aborted; await pause(signal)) {
      if (!this.#synced) continue;
      try {
        await this.#relistOnce();
      } catch (error) {
        if (!signal.aborted) this.#options.log(`runtime: ${(error as Error).message}`);
      }
    }
  }

  async #relistOnce(): Promise<void> {
    const { cri } = this.#options;
    const { signal } = this.#stop;
    const [{ items }, { containers }] = await Promise.all([
      cri.listPodSandbox({}),
      cri.listContainers({}),
    ]);
    const states = Map.groupBy([...items, ...containers], ({ labels }) => uidOf(labels));
    for (const [uid, pod] of this.#pods)
      pod.see((states.get(uid) ?? []).map(({ id, state }) => `${id} ${state}`).join(" "));
    // A pod that was deleted while no kubelet was there to see it.
    // One that stops knows of none any more.
    for (const { id, labels } of items)
      if (!signal.aborted && !this.#pods.has(uidOf(labels))) await this.#collect(id);
  }

  async #collect(podSandboxId: string): Promise<void> {
    const { cri, log } = this.#options;
    log(`sandbox ${podSandboxId}: its pod is gone`);
    await cri.stopPodSandbox({ podSandboxId });
    await cri.removePodSandbox({ podSandboxId });
  }
}

const uidOf = (labels: Readonly<Record<string, string>>) => labels[podLabels.uid] ?? "";

async function pause(signal: AbortSignal): Promise<void> {
  await sleep(relistEveryMs, undefined, { signal, ref: false }).catch(() => undefined);
}
