// The kubelets of all the lab's nodes, in one: registers nodes, runs the pods that are bound to them.
import { type KubeClient, type Pod, reflect, resources } from "@tsilium/kube";
import type { LabLayout, NodeLayout } from "../layout.ts";
import { ClusterDns, type HostDns, isDnsPod } from "./cluster-dns.ts";
import { EventRecorder } from "./events.ts";
import type { Programs } from "./image.ts";
import { NodeRegistration } from "./node-registration.ts";
import { PodWorker, type WorkerContext } from "./pod-worker.ts";
import { Slots } from "./slots.ts";
import { StreamServer } from "./streams/server.ts";

/** Pods of one node that are set up at the same time: two cores are busy with this many. */
const slotsPerNode = 8;
const requestsAtOnce = 8;

/** Pods of this RuntimeClass are run by whoever has a containerd on the node (docs/containerd.md). */
const foreignRuntimeClass = "containerd";

export type KubeletOptions = {
  readonly client: KubeClient;
  readonly lab: LabLayout;
  readonly nodes: readonly NodeLayout[];
  readonly programs: Programs;
  /** How pods in the nodes' own network are to reach cluster DNS. */
  readonly clusterDnsForHost: HostDns;
  readonly version: string;
  readonly readyChanged: (node: NodeLayout, ready: boolean) => void;
  readonly log: (message: string) => void;
};

export class Kubelet {
  readonly #options: KubeletOptions;
  readonly #stop = new AbortController();
  readonly #workers = new Map<string, PodWorker>();
  readonly #dns: ClusterDns;
  readonly #requests = new Slots(requestsAtOnce);
  readonly #dnsAddresses = new Map<string, readonly string[]>();
  readonly #contexts = new Map<string, WorkerContext>();

  constructor(options: KubeletOptions) {
    this.#options = options;
    this.#dns = new ClusterDns(options.clusterDnsForHost);
    for (const node of options.nodes) this.#contexts.set(node.name, this.#contextOf(node));
  }

  /** Registers the nodes and follows the pods. */
  start(): void {
    const { client, nodes, version, log, readyChanged } = this.#options;
    const { signal } = this.#stop;
    for (const node of nodes) {
      const registration = new NodeRegistration({
        client,
        node,
        version,
        signal,
        log,
        readyChanged: (ready) => readyChanged(node, ready),
      });
      void registration.run();
    }
    const handlers = {
      upsert: (pod: Pod) => this.#upsert(pod),
      delete: (pod: Pod) => this.#delete(pod),
      onError: (error: unknown) => log(`pods: ${(error as Error).message}`),
    };
    void reflect(client, resources.pods, { signal, handlers });
  }

  /** Serves logs of its pods and commands in them, on a unix socket. */
  serve(socket: string): Promise<Disposable> {
    return StreamServer.listen(socket, (uid) => this.#workers.get(uid));
  }

  /** The cluster IPs that cluster DNS is reached by. */
  clusterDnsIs(addresses: readonly string[]): void {
    this.#dns.serviceIs(addresses);
  }

  /** Ends the kubelet's own work. Pods go on: whoever takes the lab down ends them by their cgroups. */
  stop(): void {
    this.#stop.abort();
  }

  #contextOf(node: NodeLayout): WorkerContext {
    const { client, lab, programs, log } = this.#options;
    const { signal } = this.#stop;
    const requests = this.#requests;
    return {
      place: {
        lab,
        node,
      },
      events: new EventRecorder(node.name, {
        client,
        requests,
        signal,
      }),
      requests,
      dns: this.#dns,
      slots: new Slots(slotsPerNode),
      client,
      programs,
      signal,
      log,
    };
  }

  #upsert(pod: Pod): void {
    const uid = pod.metadata.uid ?? "";
    if (isDnsPod(pod))
      this.#noteDns(
        uid,
        (pod.status?.podIPs ?? []).map(({ ip }) => ip),
      );
    const known = this.#workers.get(uid);
    if (known) return known.update(pod);
    const context = this.#contexts.get(pod.spec.nodeName ?? "");
    if (!context || pod.spec.runtimeClassName === foreignRuntimeClass) return;
    const worker = new PodWorker(pod, context);
    this.#workers.set(uid, worker);
    void worker.done.then(() => this.#workers.delete(uid));
  }

  #delete(pod: Pod): void {
    const uid = pod.metadata.uid ?? "";
    this.#noteDns(uid, []);
    this.#workers.get(uid)?.removed();
  }

  #noteDns(uid: string, addresses: readonly string[]): void {
    if (addresses.length > 0) this.#dnsAddresses.set(uid, addresses);
    else if (!this.#dnsAddresses.delete(uid)) return;
    this.#dns.podsAre([...this.#dnsAddresses.values()].flat());
  }
}
