// One pod as a kubelet keeps it at a runtime. What is there is asked of the runtime every time, so that a kubelet, a
// runtime or a sandbox that was away is taken up where it is:
//
//   no ready sandbox --> stop what is left of the last one, run another (attempt + 1)
//   init containers, one after another --> containers; one that ended is started again as the policy says
//   deleted --> containers stopped in their grace period, sandboxes stopped and removed, deleted in the API
import { setTimeout as sleep } from "node:timers/promises";
import {
  type Container as ContainerSpec,
  type KubeClient,
  KubeError,
  type Pod,
  resources,
} from "@tsilium/kube";
import { podStatus } from "../../../apps/lab/src/kubelet/pod-status.ts";
import { runProbes } from "../../../apps/lab/src/kubelet/prober.ts";
import { now } from "../../../apps/lab/src/kubelet/time.ts";
import type { Cri } from "./containerd.ts";
import * as cri from "./gen/runtime/v1/api_pb.ts";
import { containerConfig, type NodeFacts, podLabels, sandboxConfig } from "./pod-config.ts";
import { probeOnce } from "./probe.ts";
import { containerStatus, isDue, outcomeOf, type Place, runsOf, wantsAgain } from "./run-status.ts";

export type RuntimePodContext = {
  readonly client: KubeClient;
  readonly cri: Cri;
  readonly node: NodeFacts;
  /** Of the node. */
  readonly netns: string;
  readonly signal: AbortSignal;
  readonly log: (message: string) => void;
};

/** What nobody woke it for: the end of a back-off, another try. */
const lookEveryMs = 500;

type Probing = { readonly stop: AbortController; ready: boolean; started: boolean };

export class RuntimePod {
  /** Resolves when nothing of the pod is left at the runtime, or the kubelet ends. */
  readonly done: Promise<void>;
  readonly uid: string;
  readonly #context: RuntimePodContext;
  readonly #probing = new Map<string, Probing>();
  readonly #startTime = now();
  #pod: Pod;
  #gone = false;
  #seen = "";
  #wake = Promise.withResolvers<void>();
  #written = "";
  #trouble: { reason: string; message: string } | undefined;

  /** Begins at once. */
  constructor(pod: Pod, context: RuntimePodContext) {
    this.#pod = pod;
    this.uid = pod.metadata.uid ?? "";
    this.#context = context;
    this.done = this.#live();
  }

  update(pod: Pod): void {
    this.#pod = pod;
    this.#wake.resolve();
  }

  /** The runtime's sandboxes and containers of the pod, in words that change with them. */
  see(state: string): void {
    if (state !== this.#seen) this.#wake.resolve();
    this.#seen = state;
  }

  /** It is not in the API any more. */
  removed(): void {
    this.#gone = true;
    this.#wake.resolve();
  }

  async #live(): Promise<void> {
    const { signal, log } = this.#context;
    while (!signal.aborted) {
      // Whatever wakes it while it looks is looked at next.
      this.#wake = Promise.withResolvers();
      try {
        if (await this.#look()) break;
      } catch (error) {
        if (!signal.aborted) log(`pod ${this.#name}: ${(error as Error).message}`);
        await pause(lookEveryMs, signal);
      }
      await Promise.race([this.#wake.promise, pause(lookEveryMs, signal)]);
    }
    for (const id of this.#probing.keys()) this.#stopProbing(id);
  }

  get #name(): string {
    return `${this.#pod.metadata.namespace}/${this.#pod.metadata.name}`;
  }

  /** Does what is next. @returns whether that was the last */
  async #look(): Promise<boolean> {
    const seen = await this.#observe();
    if (this.#gone || this.#pod.metadata.deletionTimestamp !== undefined) {
      await this.#end(seen);
      return true;
    }
    const sandbox = seen.sandboxes.find(({ state }) => state === cri.PodSandboxState.SANDBOX_READY);
    if (!sandbox) {
      await this.#replaceSandbox(seen);
      return false;
    }
    const podIps = await this.#ipsOf(sandbox.id);
    const own = seen.containers.filter(({ podSandboxId }) => podSandboxId === sandbox.id);
    const statuses = await Promise.all(own.map(({ id }) => this.#statusOf(id)));
    const { initContainers = [], containers } = this.#pod.spec;
    const place = { sandbox, statuses, podIps };
    const initialized = await this.#initialize(initContainers, place);
    if (initialized) for (const container of containers) await this.#keep(container, place);
    await this.#report({ ...place, initialized });
    return false;
  }

  async #observe(): Promise<Seen> {
    const filter = { labelSelector: { [podLabels.uid]: this.uid } };
    const [{ items }, { containers }] = await Promise.all([
      this.#context.cri.listPodSandbox({ filter }),
      this.#context.cri.listContainers({ filter }),
    ]);
    const attempt = ({ metadata }: cri.PodSandbox) => metadata?.attempt ?? 0;
    return { sandboxes: items.toSorted((a, b) => attempt(b) - attempt(a)), containers };
  }

  async #replaceSandbox({ sandboxes, containers }: Seen): Promise<void> {
    const { cri: runtime, node } = this.#context;
    for (const { id } of containers) {
      this.#stopProbing(id);
      await runtime.removeContainer({ containerId: id });
    }
    for (const { id } of sandboxes) {
      await runtime.stopPodSandbox({ podSandboxId: id });
      await runtime.removePodSandbox({ podSandboxId: id });
    }
    // What was ready is not any more.
    if (sandboxes.length > 0) await this.#report(undefined);
    const attempt = sandboxes[0] ? (sandboxes[0].metadata?.attempt ?? 0) + 1 : 0;
    try {
      await runtime.runPodSandbox({ config: sandboxConfig(this.#pod, attempt, node) });
      this.#trouble = undefined;
    } catch (error) {
      this.#trouble = { reason: "FailedCreatePodSandBox", message: (error as Error).message };
      await this.#report(undefined);
      throw error;
    }
  }

  async #ipsOf(podSandboxId: string): Promise<string[]> {
    if (this.#pod.spec.hostNetwork) return [...this.#context.node.addresses];
    const { status } = await this.#context.cri.podSandboxStatus({ podSandboxId });
    const { ip = "", additionalIps = [] } = status?.network ?? {};
    return [ip, ...additionalIps.map((additional) => additional.ip)].filter((text) => text !== "");
  }

  async #statusOf(containerId: string): Promise<cri.ContainerStatus> {
    const { status } = await this.#context.cri.containerStatus({ containerId });
    if (!status) throw new Error(`the runtime tells no status of container ${containerId}`);
    return status;
  }

  /** Whether all init containers have succeeded; starts the next otherwise. */
  async #initialize(list: readonly ContainerSpec[], place: Place): Promise<boolean> {
    for (const container of list) {
      const last = runsOf(container, place)[0];
      if (last?.state === cri.ContainerState.CONTAINER_EXITED && last.exitCode === 0) continue;
      if (last?.state !== cri.ContainerState.CONTAINER_RUNNING && isDue(last))
        await this.#start(container, place);
      return false;
    }
    return true;
  }

  /** Sees to it that a container runs, and is probed, if it should. */
  async #keep(container: ContainerSpec, place: Place): Promise<void> {
    const [last, ...older] = runsOf(container, place);
    // As the kubelet does: the last dead one stays for its status and its log.
    for (const { id } of older.slice(1))
      await this.#context.cri.removeContainer({ containerId: id });
    if (last?.state === cri.ContainerState.CONTAINER_RUNNING) {
      if (!this.#probing.has(last.id)) this.#probe(container, last.id, place.podIps[0] ?? "");
      return;
    }
    if (last) this.#stopProbing(last.id);
    if (!last || (wantsAgain(this.#pod, last) && isDue(last))) await this.#start(container, place);
  }

  async #start(container: ContainerSpec, place: Place): Promise<void> {
    const { cri: runtime, node } = this.#context;
    const last = runsOf(container, place)[0];
    const attempt = last ? (last.metadata?.attempt ?? 0) + 1 : 0;
    const { containerId } = await runtime.createContainer({
      podSandboxId: place.sandbox.id,
      config: containerConfig(this.#pod, container, { attempt, podIps: place.podIps, node }),
      sandboxConfig: sandboxConfig(this.#pod, place.sandbox.metadata?.attempt ?? 0, node),
    });
    await runtime.startContainer({ containerId });
  }

  #probe(container: ContainerSpec, containerId: string, podIp: string): void {
    const { cri: runtime, netns, log } = this.#context;
    const probing: Probing = { stop: new AbortController(), ready: false, started: false };
    this.#probing.set(containerId, probing);
    const target = { container, containerId, cri: runtime, netns, podIp };
    void runProbes(
      {
        container,
        check: (probe, signal) => probeOnce(probe, target, signal),
        started: () => (probing.started = true),
        ready: (ready) => {
          probing.ready = ready;
          this.#wake.resolve();
        },
        failed: (kind, why, final) => {
          log(`pod ${this.#name}: ${container.name}: ${kind} probe failed: ${why}`);
          if (final)
            void runtime.stopContainer({ containerId, timeout: 0n }).catch(() => undefined);
        },
      },
      probing.stop.signal,
    );
  }

  #stopProbing(id: string): void {
    this.#probing.get(id)?.stop.abort();
    this.#probing.delete(id);
  }

  async #end({ sandboxes, containers }: Seen): Promise<void> {
    const { cri: runtime, client } = this.#context;
    const { name = "", namespace, deletionGracePeriodSeconds = 0 } = this.#pod.metadata;
    const timeout = BigInt(this.#gone ? 0 : deletionGracePeriodSeconds);
    for (const { id } of containers) this.#stopProbing(id);
    await Promise.all(
      containers
        .filter(({ state }) => state === cri.ContainerState.CONTAINER_RUNNING)
        .map(({ id }) => runtime.stopContainer({ containerId: id, timeout })),
    );
    for (const { id } of sandboxes) {
      await runtime.stopPodSandbox({ podSandboxId: id });
      await runtime.removePodSandbox({ podSandboxId: id });
    }
    if (this.#gone) return;
    const preconditions = { uid: this.uid };
    const { signal } = this.#context;
    await client
      .delete(resources.pods, name, { namespace, gracePeriodSeconds: 0, preconditions, signal })
      .catch((error: unknown) => {
        if (!KubeError.isNotFound(error) && !KubeError.isConflict(error)) throw error;
      });
  }

  async #report(place: (Place & { readonly initialized: boolean }) | undefined): Promise<void> {
    const { client, node, signal } = this.#context;
    const { initContainers = [], containers, restartPolicy = "Always" } = this.#pod.spec;
    const statusOf = (container: ContainerSpec) =>
      containerStatus(container, place, (id) => this.#probing.get(id));
    const statuses = containers.map(statusOf);
    const status = podStatus(this.#pod, {
      hostIps: node.addresses,
      podIps: place?.podIps ?? [],
      sandboxReady: place !== undefined,
      initialized: place?.initialized ?? false,
      startTime: this.#startTime,
      initContainers: initContainers.map(statusOf),
      containers: statuses,
      outcome: outcomeOf(restartPolicy, statuses),
      trouble: this.#trouble,
      now: now(),
    });
    const text = JSON.stringify({
      ...status,
      conditions: status.conditions?.map(({ type, status: is }) => [type, is]),
    });
    if (text === this.#written) return;
    const { name = "", namespace } = this.#pod.metadata;
    const patch = { metadata: { uid: this.uid }, status };
    await client.patch(resources.pods, name, {
      type: "merge",
      namespace,
      subresource: "status",
      patch,
      signal,
    });
    this.#written = text;
  }
}

type Seen = {
  /** Newest first. */
  readonly sandboxes: readonly cri.PodSandbox[];
  readonly containers: readonly cri.Container[];
};

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
