// Our own nodes, with the shipped programs, in the same places as those of the kernel's scene:
//
//   pods 1, 2, 5 == node 1 172.18.0.2 ==+
//                                       br0 [fabric] == world
//   pods 3, 4    == node 2 172.18.0.3 ==+
//
// Pod 1's clients are in the node's cgroup, as pods are, and get their backend at connect(). Pod 5's are left out of it,
// which stands for what connect() cannot serve: their packets are balanced.
import type { ServiceConfig } from "@tsilium/datapath";
import { TestCluster } from "../../../packages/datapath/src/testing/cluster.ts";
import { Cgroups } from "../cgroups.ts";
import { putServices } from "../changes.ts";
import { openServiceMaps } from "../service-maps.ts";
import { type BenchService, measuredService, serviceOf } from "../workload.ts";
import { type Path, type Server, serverPort } from "./path.ts";
import { names } from "./sections.ts";

const nodeAddress = "172.18.0.2";
const numbers = [1, 2] as const;
const served: Partial<ServiceConfig> = { socketLb: "all", nodePort: true, mapMax: undefined };
/** A client has 28,000 ports for one server, and each leaves entries of its own. */
const roomForFlows = { conntrackMax: 131_072, natMax: 87_040 };

/** What one socket asks for. */
export type Question = Pick<Path, "client" | "target">;

export class TsiliumScene implements AsyncDisposable {
  readonly servers: readonly Server[];
  readonly paths: readonly Path[];
  /** For datagram sockets. */
  readonly questions: Readonly<Record<"no program" | "a pod" | "a service", Question>>;
  readonly #cluster: TestCluster;
  readonly #measured: readonly BenchService[];
  readonly #ofDatagrams: BenchService;
  readonly #undo: AsyncDisposable;
  #count = 0;

  /** @param undo takes the cluster down, and what was made for it. */
  private constructor(cluster: TestCluster, cgroup: string, undo: AsyncDisposable) {
    this.#cluster = cluster;
    this.#undo = undo;
    const [local, remote] = [cluster.pod(2), cluster.pod(3)];
    const on = (pod: typeof local) => [{ address: pod.ipv4, port: serverPort }];
    const [onLocalPod, onRemotePod] = [
      measuredService(0, on(local)),
      measuredService(1, on(remote)),
    ];
    this.#measured = [onLocalPod, onRemotePod];
    this.#ofDatagrams = measuredService(2, on(local));
    this.servers = [local, remote].map(({ netns }) => ({ netns, port: serverPort }));
    const inside = { netns: cluster.pod(1).netns, cgroup };
    const outside = { netns: cluster.pod(5).netns };
    const world = { netns: cluster.netns("world") };
    const pod = { address: local.ipv4, port: serverPort };
    this.paths = [
      { route: "pod", name: names.direct, client: inside, target: pod },
      { route: "pod", name: names.socket, client: inside, target: clusterIpOf(onLocalPod) },
      { route: "pod", name: names.packet, client: outside, target: clusterIpOf(onLocalPod) },
      { route: "world", name: names.nodePort, client: world, target: nodePortOf(onLocalPod) },
      {
        route: "world-remote",
        name: names.nodePort,
        client: world,
        target: nodePortOf(onRemotePod),
      },
    ];
    this.questions = {
      "no program": { client: outside, target: pod },
      "a pod": { client: inside, target: pod },
      "a service": { client: inside, target: clusterIpOf(this.#ofDatagrams) },
    };
  }

  static async up(): Promise<TsiliumScene> {
    await using undo = new AsyncDisposableStack();
    const cgroups = undo.use(new Cgroups());
    const cluster = undo.use(await TestCluster.up({ routingMode: "native" }));
    for (const number of numbers) {
      const cgroupRoot = cgroups.add(`node-${number}`);
      const services = { ...cluster.config(number).services, ...served, cgroupRoot };
      await cluster.node(number).kill();
      await cluster.startNode(number, { services, ...roomForFlows });
    }
    await cluster.addPod(1);
    return new TsiliumScene(cluster, cgroups.path("node-1"), undo.move());
  }

  /** Brings the first node to so many services, the measured ones among them. Never to fewer than there are. */
  hold(count: number): void {
    using kernel = openServiceMaps(this.#cluster.bpffs(1));
    const put = { nodeAddress, first: 0 };
    if (this.#count === 0) {
      kernel.maps.apply(putServices(this.#measured, put));
      kernel.maps.apply(putServices([this.#ofDatagrams], { ...put, first: 2, protocol: "UDP" }));
      this.#count = this.#measured.length;
    }
    const added = Array.from({ length: Math.max(0, count - this.#count) }, (_, index) =>
      serviceOf(this.#count + index),
    );
    // One number more is the datagrams' service's.
    kernel.maps.apply(putServices(added, { ...put, first: this.#count + 1 }));
    this.#count += added.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#undo[Symbol.asyncDispose]();
  }
}

function clusterIpOf({ clusterIp, port }: BenchService): Path["target"] {
  return { address: clusterIp, port };
}

function nodePortOf({ nodePort = 0 }: BenchService): Path["target"] {
  return { address: nodeAddress, port: nodePort };
}
