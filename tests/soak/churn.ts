// What comes, changes and goes beside the pods that stay, at random: pods, namespaces, labels, deployments, policies,
// services and nodes. Knows what should be there, so that all of it can be taken away at the end.
import type { KubeObject } from "@tsilium/kube";
import type { Random } from "@tsilium/testkit";
import { echoPod, service } from "../e2e/services/service-objects.ts";
import { home, namespaceObject } from "./cast.ts";
import type { Cluster } from "./cluster.ts";
import { apps, randomPolicy, strangeNode, teams } from "./strange-objects.ts";

export type ChurnLimits = {
  readonly rooms: number;
  /** In all rooms together, without those of deployments. */
  readonly pods: number;
  readonly policies: number;
  readonly services: number;
  readonly strangeNodes: number;
};

/** A namespace that comes and goes, and what goes with it. */
type Room = {
  readonly name: string;
  readonly object: KubeObject;
  readonly deployment: KubeObject;
  readonly pods: KubeObject[];
  readonly others: KubeObject[];
};

/** False when there is nothing to do it to, or too much already. */
type Step = { readonly weight: number; readonly run: () => Promise<boolean> };

const mostReplicas = 3;
const firstStrangeNode = 100;
const strangeNumbers = 100;

export class Churn {
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #limits: ChurnLimits;
  readonly #rooms: Room[] = [];
  /** Cluster-wide policies and policies of pods that stay. */
  readonly #policies: KubeObject[] = [];
  /** Of pods that stay. */
  readonly #services: KubeObject[] = [];
  readonly #nodes: KubeObject[] = [];
  readonly #counts: Record<string, number> = {};
  #made = 0;

  readonly #steps: Readonly<Record<string, Step>> = {
    "namespace made": { weight: 1, run: () => this.#addRoom() },
    "pods made": { weight: 6, run: () => this.#addPods() },
    "deployment scaled": { weight: 3, run: () => this.#scale() },
    "policy made": { weight: 4, run: () => this.#addPolicy() },
    "service made": { weight: 2, run: () => this.#addService() },
    "node made": { weight: 1, run: () => this.#addNode() },
    "pod labelled": { weight: 4, run: () => this.#relabelPod() },
    "namespace labelled": { weight: 2, run: () => this.#relabelRoom() },
    "pod deleted": { weight: 6, run: () => this.#removePod() },
    "policy deleted": { weight: 3, run: () => this.#removeOne(this.#policies) },
    "service deleted": { weight: 1, run: () => this.#removeOne(this.#services) },
    "node deleted": { weight: 1, run: () => this.#removeOne(this.#nodes) },
    "namespace deleted": { weight: 1, run: () => this.#removeRoom() },
  };
  readonly #bag = Object.entries(this.#steps).flatMap(([name, { weight }]) =>
    Array.from({ length: weight }, () => name),
  );

  constructor(cluster: Cluster, random: Random, limits: ChurnLimits) {
    this.#cluster = cluster;
    this.#random = random;
    this.#limits = limits;
  }

  /** How often what happened. */
  get counts(): Readonly<Record<string, number>> {
    return this.#counts;
  }

  /** One of everything, in an order that makes it possible. */
  async warmUp(): Promise<void> {
    for (const name of Object.keys(this.#steps)) await this.#run(name);
  }

  /** Something at random. */
  async step(): Promise<void> {
    while (!(await this.#run(this.#random.pick(this.#bag)))) continue;
  }

  /** Takes all of it away. */
  async removeAll(): Promise<void> {
    const rooms = this.#rooms.map(({ object }) => object);
    const objects = [...this.#policies, ...this.#services, ...this.#nodes, ...rooms];
    for (const object of objects) await this.#cluster.delete(object);
    for (const list of [this.#policies, this.#services, this.#nodes, this.#rooms]) list.length = 0;
  }

  async #run(name: string): Promise<boolean> {
    const done = (await this.#steps[name]?.run()) === true;
    if (done) this.#counts[name] = (this.#counts[name] ?? 0) + 1;
    return done;
  }

  async #addRoom(): Promise<boolean> {
    if (this.#rooms.length >= this.#limits.rooms) return false;
    const name = this.#name("room");
    const room: Room = {
      name,
      object: namespaceObject(name, { team: this.#random.pick(teams) }),
      deployment: deployment(name),
      pods: [],
      others: [],
    };
    await this.#cluster.create(room.object);
    await this.#cluster.create(room.deployment);
    this.#rooms.push(room);
    return true;
  }

  /** With all that is in it. */
  async #removeRoom(): Promise<boolean> {
    const room = this.#take(this.#rooms);
    if (room) await this.#cluster.delete(room.object);
    return room !== undefined;
  }

  async #relabelRoom(): Promise<boolean> {
    const room = this.#any(this.#rooms);
    const labels = { team: this.#random.pick(teams) };
    if (room) await this.#cluster.patch(room.object, { metadata: { labels } });
    return room !== undefined;
  }

  async #addPods(): Promise<boolean> {
    const room = this.#any(this.#rooms);
    const there = this.#rooms.reduce((sum, { pods }) => sum + pods.length, 0);
    if (!room || there >= this.#limits.pods) return false;
    for (let count = this.#random.below(3); count >= 0; count--) {
      const labels = { app: this.#random.pick(apps) };
      const node = this.#random.pick(this.#cluster.nodes);
      const pod = echoPod({ name: this.#name("pod"), namespace: room.name, node, labels });
      await this.#cluster.create(pod);
      room.pods.push(pod);
    }
    return true;
  }

  async #removePod(): Promise<boolean> {
    const room = this.#any(this.#rooms.filter(({ pods }) => pods.length > 0));
    const pod = room && this.#take(room.pods);
    if (pod) await this.#cluster.delete(pod);
    return pod !== undefined;
  }

  async #relabelPod(): Promise<boolean> {
    const pod = this.#any(this.#rooms.flatMap(({ pods }) => pods));
    const labels = { app: this.#random.pick(apps) };
    if (pod) await this.#cluster.patch(pod, { metadata: { labels } });
    return pod !== undefined;
  }

  async #scale(): Promise<boolean> {
    const room = this.#any(this.#rooms);
    const replicas = this.#random.below(mostReplicas + 1);
    if (room) await this.#cluster.patch(room.deployment, { spec: { replicas } });
    return room !== undefined;
  }

  async #addPolicy(): Promise<boolean> {
    const room = this.#any(this.#rooms);
    if (!room || this.#policies.length + room.others.length >= this.#limits.policies) return false;
    const policy = randomPolicy(this.#random, this.#name("policy"), room.name);
    await this.#cluster.create(policy);
    if (policy.metadata.namespace === room.name) room.others.push(policy);
    else this.#policies.push(policy);
    return true;
  }

  /** Of a room's pods, or one more of those that stay. */
  async #addService(): Promise<boolean> {
    const room = this.#any(this.#rooms);
    const ofRoom = room !== undefined && this.#random.chance(0.5);
    if (!ofRoom && this.#services.length >= this.#limits.services) return false;
    if (ofRoom && room.others.length >= this.#limits.policies) return false;
    const made = ofRoom
      ? service(this.#name("service"), room.name, { selector: { app: this.#random.pick(apps) } })
      : service(this.#name("service"), home, { selector: { role: "server" }, type: "NodePort" });
    await this.#cluster.create(made);
    if (ofRoom) room.others.push(made);
    else this.#services.push(made);
    return true;
  }

  async #addNode(): Promise<boolean> {
    if (this.#nodes.length >= this.#limits.strangeNodes) return false;
    const [node, ciliumNode] = strangeNode(firstStrangeNode + (this.#made++ % strangeNumbers));
    await this.#cluster.create(node);
    await this.#cluster.create(ciliumNode);
    this.#nodes.push(node);
    return true;
  }

  async #removeOne(list: KubeObject[]): Promise<boolean> {
    const object = this.#take(list);
    if (object) await this.#cluster.delete(object);
    return object !== undefined;
  }

  #name(kind: string): string {
    return `${kind}-${++this.#made}`;
  }

  #any<T>(list: readonly T[]): T | undefined {
    return list.length > 0 ? this.#random.pick(list) : undefined;
  }

  #take<T>(list: T[]): T | undefined {
    return list.splice(this.#random.below(list.length), 1)[0];
  }
}

/** Its pods are scheduled, and named, by controllers. */
function deployment(namespace: string): KubeObject {
  const labels = { app: "a", of: "deployment" };
  const pod = echoPod({ name: "echo", namespace, labels });
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "echo", namespace },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: pod.spec },
    },
  } as KubeObject;
}
