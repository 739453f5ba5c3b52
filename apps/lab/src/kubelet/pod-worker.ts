// One pod from its binding to its end.
//
//   sandbox (retried) --> init containers, in order --> containers --> all ended by their policy
//        \------------------- deleted: SIGTERM, grace, SIGKILL -------------/
//   then: sandbox removed (CNI DEL), and a deleted pod is finally deleted in the API
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Container, type KubeClient, KubeError, type Pod, resources } from "@tsilium/kube";
import type { NodeLayout } from "../layout.ts";
import { startContainer, type RunningContainer } from "../runner/container.ts";
import type { ClusterDns } from "./cluster-dns.ts";
import { ContainerKeeper, type RestartPolicy } from "./container-keeper.ts";
import { environmentOf, hostnameOf, type Sources } from "./environment.ts";
import type { EventRecorder } from "./events.ts";
import { hostsFile } from "./files.ts";
import { commandOf, type Programs } from "./image.ts";
import { podStatus } from "./pod-status.ts";
import { probeOnce } from "./probe-action.ts";
import {
  createSandbox,
  removeSandbox,
  type Sandbox,
  SandboxLeft,
  type SandboxPlace,
} from "./sandbox.ts";
import type { Slots } from "./slots.ts";
import { readSources } from "./sources.ts";
import { StatusWriter } from "./status-writer.ts";
import { now } from "./time.ts";
import type { ProcessIdentity } from "../processes/identity.ts";
import { type ContainerLog, type PodHandle, StreamRefusal } from "./streams/pod-handle.ts";
import { makeVolumes, mountsOf } from "./volumes.ts";

export type WorkerContext = {
  readonly place: SandboxPlace;
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly dns: ClusterDns;
  readonly programs: Programs;
  /** Shared by all pods: how many are being set up at once. */
  readonly slots: Slots;
  /** Shared by all pods: requests to the API server at once, since each may be a connection. */
  readonly requests: Slots;
  /** The kubelet's end: no more requests after it. */
  readonly signal: AbortSignal;
  readonly log: (message: string) => void;
};

const longestRetryMs = 30_000;

export class PodWorker implements PodHandle {
  readonly uid: string;
  readonly done: Promise<void>;
  readonly #context: WorkerContext;
  readonly #stop = new AbortController();
  readonly #status: StatusWriter;
  readonly #startTime = now();
  #pod: Pod;
  #graceMs = 0;
  #sandbox: Sandbox | undefined;
  /** Of a try that failed: it goes before there is another one, since both are in the pod's own folder and cgroup. */
  #left: Sandbox | undefined;
  #initKeepers: ContainerKeeper[] = [];
  #keepers: ContainerKeeper[] = [];
  #initialized = false;
  #outcome: "Succeeded" | "Failed" | undefined;
  #trouble: { reason: string; message: string } | undefined;
  #deletedInApi = false;

  /** Begins at once. */
  constructor(pod: Pod, context: WorkerContext) {
    this.uid = pod.metadata.uid ?? "";
    this.#pod = pod;
    this.#context = context;
    this.#status = new StatusWriter(pod, context);
    context.signal.addEventListener("abort", () => this.#abandon(), { once: true });
    this.done = this.#live();
    this.update(pod);
  }

  /** Takes note of a newer version of the pod; one that is being deleted begins to end. */
  update(pod: Pod): void {
    this.#pod = pod;
    const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata;
    if (deletionTimestamp !== undefined) this.#end(deletionGracePeriodSeconds * 1000);
  }

  /** The pod is gone from the API without waiting for us: it ends at once. */
  removed(): void {
    this.#deletedInApi = true;
    this.#end(0);
  }

  get name(): string {
    return this.#pod.metadata.name ?? "";
  }

  get cgroup(): string | undefined {
    return this.#sandbox?.cgroup;
  }

  get netns(): string | undefined {
    return this.#sandbox?.netns;
  }

  init(container: string): ProcessIdentity | undefined {
    return this.#keeperOf(container)?.running?.init;
  }

  /** In Kubernetes' own words where there is none. */
  log(container: string, previous: boolean): ContainerLog {
    const keeper = this.#keeperOf(container);
    const of = `container "${container}" in pod "${this.name}"`;
    if (!keeper) throw new StreamRefusal(404, `${of} not found`);
    const run = previous ? keeper.previousRun : keeper.lastRun;
    if (run === undefined) {
      if (previous) throw new StreamRefusal(400, `previous terminated ${of} not found`);
      const why = keeper.status().state?.waiting?.reason ?? "ContainerCreating";
      throw new StreamRefusal(400, `${of} is waiting to start: ${why}`);
    }
    const ended = (previous ? undefined : keeper.running?.exited) ?? Promise.resolve();
    return { path: this.#logFile(container, run), ended };
  }

  #keeperOf(container: string): ContainerKeeper | undefined {
    return [...this.#keepers, ...this.#initKeepers].find(({ name }) => name === container);
  }

  /** Beside the sandbox's folder: logs are there until the pod is gone from the API. */
  get #logs(): string {
    return join(this.#node.pods, `${this.uid}.logs`);
  }

  #logFile(container: string, run: number): string {
    return join(this.#logs, container, `${run}.log`);
  }

  /** A place for a run's log; of the runs before it the last one's is kept. */
  #makeLog(container: string, run: number): string {
    mkdirSync(join(this.#logs, container), { recursive: true, mode: 0o700 });
    const forgotten = this.#logFile(container, run - 2);
    for (const path of [forgotten, `${forgotten}.1`]) rmSync(path, { force: true });
    return this.#logFile(container, run);
  }

  get #node(): NodeLayout {
    return this.#context.place.node;
  }

  async #live(): Promise<void> {
    this.#makeKeepers();
    try {
      if (await this.#setUp()) await this.#runContainers();
    } catch (error) {
      if (!this.#stop.signal.aborted)
        this.#context.log(`pod ${this.#name()}: ${(error as Error).stack}`);
    }
    await this.#tearDown();
    this.#changed();
    await this.#status.flushed();
    // One that ended by itself stays in the API until somebody deletes it.
    if (!this.#stop.signal.aborted) await aborted(this.#stop.signal);
    if (!this.#deletedInApi) await this.#deleteInApi();
    rmSync(this.#logs, { recursive: true, force: true });
  }

  /** Makes the sandbox, again and again until it is there; false when the pod ended first. */
  async #setUp(): Promise<boolean> {
    const { slots, log } = this.#context;
    this.#changed();
    for (
      let delayMs = 250;
      !this.#stop.signal.aborted;
      delayMs = Math.min(delayMs * 2, longestRetryMs)
    ) {
      try {
        this.#sandbox = await slots.run(() => this.#makeSandbox());
        this.#trouble = undefined;
        return this.#sandbox !== undefined;
      } catch (error) {
        if (error instanceof SandboxLeft) this.#left = error.sandbox;
        const message = (error as Error).message;
        log(`pod ${this.#name()}: ${message}`);
        this.#trouble = { reason: "FailedCreatePodSandBox", message };
        this.#event("Warning", "FailedCreatePodSandBox", message);
        this.#changed();
        await sleep(delayMs, undefined, { signal: this.#stop.signal }).catch(() => undefined);
      }
    }
    return false;
  }

  /** undefined when the pod ended first. */
  async #makeSandbox(): Promise<Sandbox | undefined> {
    if (this.#stop.signal.aborted) return undefined;
    if (this.#left) await removeSandbox(this.#node, this.#left);
    this.#left = undefined;
    return createSandbox(this.#pod, this.#context.place);
  }

  async #runContainers(): Promise<void> {
    const signal = this.#stop.signal;
    this.#writeFiles();
    this.#changed();
    for (const keeper of this.#initKeepers) {
      await keeper.run(signal);
      if (signal.aborted) return;
      if (keeper.exitCode !== 0) {
        this.#outcome = "Failed";
        return;
      }
    }
    this.#initialized = true;
    this.#changed();
    await Promise.all(this.#keepers.map((keeper) => keeper.run(signal)));
    if (signal.aborted) return;
    const succeeded = this.#keepers.every(({ exitCode }) => exitCode === 0);
    this.#outcome = succeeded ? "Succeeded" : "Failed";
  }

  #makeKeepers(): void {
    const { restartPolicy = "Always", containers, initContainers = [] } = this.#pod.spec;
    // An init container is over when it has succeeded, whatever the policy says about success.
    const initPolicy = restartPolicy === "Never" ? "Never" : "OnFailure";
    this.#initKeepers = initContainers.map((container) => this.#keeper(container, initPolicy));
    this.#keepers = containers.map((container) => this.#keeper(container, restartPolicy));
    this.#initialized = initContainers.length === 0;
  }

  #keeper(container: Container, restartPolicy: RestartPolicy): ContainerKeeper {
    return new ContainerKeeper({
      container,
      restartPolicy,
      graceMs: (this.#pod.spec.terminationGracePeriodSeconds ?? 30) * 1000,
      changed: () => this.#changed(),
      event: (type, reason, message) => this.#event(type, reason, message),
      start: (run) => this.#context.slots.run(() => this.#start(container, run)),
      check: (probe, { init }, signal) => {
        const { ips, cgroup } = this.#sandbox as Sandbox;
        const target = { container, init, cgroup, netns: this.#node.netns, podIp: ips[0] ?? "" };
        return probeOnce(probe, target, signal);
      },
    });
  }

  async #start(container: Container, run: number): Promise<RunningContainer> {
    const sandbox = this.#sandbox as Sandbox;
    const { client, programs, signal } = this.#context;
    const sources = await readSources(client, this.#pod, signal);
    const environment = this.#environment(container, sources);
    const command = commandOf(this.#pod, container, { environment, programs });
    const volumes = makeVolumes(this.#pod, sandbox.folder, sources);
    const mounts = mountsOf(container, volumes, sandbox.folder);
    const file = (name: string) => `/etc/${name}=${join(sandbox.folder, name)}`;
    return startContainer({
      ...command,
      environment,
      netns: sandbox.netns,
      cgroup: sandbox.cgroup,
      hostname: this.#pod.spec.hostNetwork ? this.#node.name : hostnameOf(this.#pod),
      workingDir: container.workingDir ?? "/",
      overlays: mounts.overlays,
      binds: [file("resolv.conf"), file("hosts"), ...mounts.binds],
      logFile: this.#makeLog(container.name, run),
    });
  }

  #environment(container: Container, sources: Sources): Record<string, string> {
    const facts = {
      pod: this.#pod,
      hostIps: [this.#node.ipv4, this.#node.ipv6],
      podIps: this.#sandbox?.ips ?? [],
    };
    return environmentOf(container, facts, sources);
  }

  #writeFiles(): void {
    const { folder, ips } = this.#sandbox as Sandbox;
    writeFileSync(join(folder, "hosts"), hostsFile(this.#pod, ips));
    this.#context.dns.provide(this.#pod, join(folder, "resolv.conf"));
  }

  #end(graceMs: number): void {
    // A later deletion can only shorten what is left.
    const first = !this.#stop.signal.aborted;
    this.#graceMs = first ? graceMs : Math.min(this.#graceMs, graceMs);
    this.#stop.abort();
    for (const keeper of [...this.#initKeepers, ...this.#keepers]) {
      if (!keeper.running) continue;
      if (first) this.#event("Normal", "Killing", `Stopping container ${keeper.name}`);
      void keeper.stop(this.#graceMs);
    }
  }

  /** The lab is being taken down: containers end by their cgroup, and nothing is started again or reported. */
  #abandon(): void {
    this.#deletedInApi = true;
    this.#stop.abort();
  }

  /** Removes the sandbox, again and again: what CNI has attached must be detached. */
  async #tearDown(): Promise<void> {
    const { dns, log, signal } = this.#context;
    const sandbox = this.#sandbox ?? this.#left;
    if (!sandbox) return;
    dns.forget(join(sandbox.folder, "resolv.conf"));
    for (let delayMs = 250; !signal.aborted; delayMs = Math.min(delayMs * 2, longestRetryMs)) {
      try {
        await removeSandbox(this.#node, sandbox);
        this.#sandbox = undefined;
        return;
      } catch (error) {
        log(`pod ${this.#name()}: ${(error as Error).message}`);
        this.#event("Warning", "FailedKillPod", (error as Error).message);
        await sleep(delayMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #deleteInApi(): Promise<void> {
    const { client, signal, log, requests } = this.#context;
    const { name = "", namespace } = this.#pod.metadata;
    for (
      let delayMs = 50;
      !signal.aborted && !this.#deletedInApi;
      delayMs = Math.min(delayMs * 2, 2000)
    ) {
      try {
        const preconditions = { uid: this.uid };
        const options = { namespace, gracePeriodSeconds: 0, preconditions, signal };
        await requests.run(() => client.delete(resources.pods, name, options));
        return;
      } catch (error) {
        // Another pod has the name by now: ours is gone.
        if (KubeError.isConflict(error)) return;
        log(`pod ${this.#name()}: ${(error as Error).message}`);
        await sleep(delayMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #changed(): void {
    if (this.#deletedInApi) return;
    this.#status.schedule(() =>
      podStatus(this.#pod, {
        hostIps: [this.#node.ipv4, this.#node.ipv6],
        podIps: this.#sandbox?.ips ?? [],
        sandboxReady: this.#sandbox !== undefined,
        initialized: this.#initialized,
        startTime: this.#startTime,
        initContainers: this.#initKeepers.map((keeper) => keeper.status()),
        containers: this.#keepers.map((keeper) => keeper.status()),
        outcome: this.#outcome,
        trouble: this.#trouble,
        now: now(),
      }),
    );
  }

  #event(type: "Normal" | "Warning", reason: string, message: string): void {
    this.#context.events.record({ ...this.#pod, kind: "Pod" }, { type, reason, message });
  }

  #name(): string {
    return `${this.#pod.metadata.namespace}/${this.#pod.metadata.name}`;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
