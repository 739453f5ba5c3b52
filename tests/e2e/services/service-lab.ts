// A lab as tests of services drive it: objects applied and waited for, clients that stay where they are, and what the API
// server says of services.
import assert from "node:assert/strict";
import type { KubeObject, Service } from "@tsilium/kube";
import { Lab, namespaceManifest } from "../harness.ts";
import { LabObjects } from "../lab-objects.ts";
import { Client } from "./requests.ts";
import { manifest, type ServiceFacts, serviceFacts } from "./service-objects.ts";

export type Family = 4 | 6;
export const families = [4, 6] as const;

/** design.md, "The lab". */
export const worldAddresses = { 4: "203.0.113.10", 6: "2001:db8:113::10" } as const;

export const nativeRouting = {
  "routing-mode": "native",
  "auto-direct-node-routes": "true",
  "ipv4-native-routing-cidr": "10.244.0.0/16",
  "ipv6-native-routing-cidr": "fd00:10:244::/56",
} as const;

/** @param node "node-2" */
export function nodeAddress(node: string, family: Family): string {
  const last = Number(node.slice("node-".length)) + 1;
  return family === 4 ? `172.18.0.${last}` : `fc00:18::${last.toString(16)}`;
}

function familyOf(address: string): Family {
  return address.includes(":") ? 6 : 4;
}

/** "10.0.0.1:80", "[fd00::1]:80": as `ask` prints ends. */
export function endText(address: string, port: number): string {
  return familyOf(address) === 4 ? `${address}:${port}` : `[${address}]:${port}`;
}

type ServiceLabOptions = {
  /** Of the lab's name, for people who look at what is running. */
  readonly purpose: string;
  readonly namespaces: readonly string[];
  readonly nodes?: number;
  readonly set?: Readonly<Record<string, string>>;
};

/** `await using cluster = await ServiceLab.up(...)`: its clients end, and the lab goes down, with the block. */
export class ServiceLab implements AsyncDisposable {
  readonly lab: Lab;
  readonly objects: LabObjects;
  readonly #clients = new Map<string, Client>();

  private constructor(lab: Lab, objects: LabObjects) {
    this.lab = lab;
    this.objects = objects;
  }

  static async up({ purpose, namespaces, nodes = 2, set }: ServiceLabOptions): Promise<ServiceLab> {
    const name = `e2s${process.pid}${purpose}`;
    const lab = await Lab.up({ nodes, name, ...(set ? { set: { ...set } } : {}) });
    try {
      await lab.apply(namespaces.map(namespaceManifest).join("\n---\n"));
      return new ServiceLab(lab, await LabObjects.of(lab));
    } catch (error) {
      await lab.down();
      throw error;
    }
  }

  /** Applies, waits until the pods of the objects' namespaces are ready, and until every kernel has it all. */
  async apply(...objects: readonly KubeObject[]): Promise<void> {
    await this.lab.apply(manifest(...objects));
    const namespaces = new Set(
      objects
        .filter(({ kind }) => kind === "Pod" || kind === "Deployment")
        .map(({ metadata }) => metadata.namespace ?? "default"),
    );
    for (const namespace of namespaces) await this.lab.wait(namespace);
    await this.inKernels();
  }

  /** Applies, and deletes again whatever comes of it. */
  async having(objects: readonly KubeObject[], then: () => Promise<void>): Promise<void> {
    await this.apply(...objects);
    try {
      await then();
    } finally {
      await this.delete(...objects);
    }
  }

  /** Deletes, and waits until every kernel has forgotten it. */
  async delete(...objects: readonly KubeObject[]): Promise<void> {
    for (const object of objects) await this.objects.delete(object);
    await this.inKernels();
  }

  inKernels(): Promise<void> {
    return this.objects.inKernels();
  }

  inPod(namespace: string, pod: string): Client {
    return this.#client(`${namespace}/${pod}`, () => Client.inPod(this.lab, namespace, pod));
  }

  onNode(node: string): Client {
    return this.#client(node, () => Client.onNode(this.lab, node));
  }

  inWorld(): Client {
    return this.#client("world", () => Client.inWorld(this.lab));
  }

  async service(namespace: string, name: string): Promise<ServiceFacts> {
    return serviceFacts(
      await this.lab.json<Service>("lab", "get", "service", name, "-n", namespace),
    );
  }

  /** Of all services of a namespace, by name. */
  async services(namespace: string): Promise<Record<string, ServiceFacts>> {
    const { items } = await this.lab.json<{ items: Service[] }>(
      "lab",
      "get",
      "services",
      "-n",
      namespace,
    );
    return Object.fromEntries(
      items.map((each) => [each.metadata.name ?? "", serviceFacts(each)] as const),
    );
  }

  /** A pod's address. */
  async podAddress(namespace: string, name: string, family: Family): Promise<string> {
    const pod = (await this.lab.pods(namespace)).find(({ metadata }) => metadata.name === name);
    const found = pod?.status.podIPs?.find(({ ip }) => familyOf(ip) === family)?.ip;
    assert.ok(found, `${namespace}/${name} has no IPv${family} address`);
    return found;
  }

  /** `tsilium bpf lb list` of a node, as far as it is about objects, without numbers. */
  async kernelTables(node: string): Promise<KernelTables> {
    const list = <T>(...options: string[]) =>
      this.lab.json<T[]>("--node", node, "bpf", "lb", "list", ...options);
    const [frontends, backends, ranges] = await Promise.all([
      list<{ address: string; kind: string }>("--frontends"),
      list<{ address: string; state: string }>("--backends"),
      list<{ frontendAddress?: string; prefix: string }>("--source-ranges"),
    ]);
    return {
      frontends: frontends.map(({ address, kind }) => `${kind} ${address}`).toSorted(),
      backends: backends.map(({ address, state }) => `${state} ${address}`).toSorted(),
      ranges: ranges.map((range) => `${range.frontendAddress} ${range.prefix}`).toSorted(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients.values()) await client[Symbol.asyncDispose]();
    this.objects[Symbol.dispose]();
    await this.lab[Symbol.asyncDispose]();
  }

  #client(name: string, start: () => Client): Client {
    let client = this.#clients.get(name);
    if (!client) this.#clients.set(name, (client = start()));
    return client;
  }
}

export type KernelTables = {
  readonly frontends: readonly string[];
  readonly backends: readonly string[];
  readonly ranges: readonly string[];
};

/** The address of a service of that family. */
export function clusterIp(facts: ServiceFacts | undefined, family: Family): string {
  return ofFamily(facts?.clusterIps, family, "cluster IP");
}

export function loadBalancerIp(facts: ServiceFacts | undefined, family: Family): string {
  return ofFamily(facts?.loadBalancerIps, family, "load balancer IP");
}

function ofFamily(addresses: readonly string[] | undefined, family: Family, what: string): string {
  const found = addresses?.find((address) => familyOf(address) === family);
  assert.ok(found, `no IPv${family} ${what}: ${addresses?.join(" ")}`);
  return found;
}

export function nodePort(facts: ServiceFacts | undefined, name = "tcp"): number {
  const port = facts?.nodePorts[name];
  assert.ok(port, `no node port ${name}`);
  return port;
}
