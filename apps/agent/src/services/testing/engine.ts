// A service engine over tables that a test fills, and a kernel in memory.
import {
  type CiliumLocalRedirectPolicy,
  type EndpointSlice,
  type Node as KubeNode,
  objectKey,
  type Pod,
  type Service,
} from "@tsilium/kube";
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import { ServiceBook } from "@tsilium/loadbalancer";
import { Address } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import { createLog } from "@tsilium/runtime";
import { Table } from "@tsilium/tables";
import { loadConfig } from "../../config/load.ts";
import { endpointSliceTable, podTable, serviceTable } from "../../node/watches.ts";
import { ServiceEngine, type ServiceEngineOptions } from "../engine.ts";
import { redirectTable } from "../redirects.ts";
import { loadBalancerSettings } from "../settings.ts";
import { MemoryKernel } from "./memory-kernel.ts";

export const nodeName = "node-1";

export type TestEngineOptions = Partial<
  Pick<ServiceEngineOptions, "grow" | "onServed" | "onBackendsGone" | "onApplied">
> & {
  readonly kernel?: MemoryKernel;
  readonly maxSets?: number;
  readonly flags?: readonly string[];
};

/** Parts of a node: fill the tables, `complete` the engine, wait for `settled`, look at the kernel. */
export class TestEngine implements Disposable {
  readonly services: Table<Service> = serviceTable();
  readonly slices: Table<EndpointSlice> = endpointSliceTable();
  readonly pods: Table<Pod> = podTable();
  readonly redirects: Table<CiliumLocalRedirectPolicy> = redirectTable();
  readonly endpoints = new Table<Endpoint>({
    name: "endpoints",
    key: ({ id }) => String(id),
    indexes: { pod: ({ namespace, podName }) => [`${namespace}/${podName}`] },
  });
  readonly ownNode = new Table<KubeNode>({ name: "own-node", key: objectKey });
  readonly ownAddresses = new Table<Address>({ name: "own-addresses", key: String });
  readonly nodes = new Table<Node>({ name: "nodes", key: ({ name }) => name });
  readonly kernel: MemoryKernel;
  readonly book: ServiceBook;
  readonly engine: ServiceEngine;

  constructor(options: TestEngineOptions = {}) {
    const { kernel = new MemoryKernel(), flags = [], grow = () => false, ...rest } = options;
    const { maxSets = 500_000, ...told } = rest;
    const args = ["--kube-proxy-replacement", "--enable-local-redirect-policy", ...flags];
    this.kernel = kernel;
    this.book = new ServiceBook({ maglevTableSize: 251, maglevSeed: 1, maxSets });
    this.ownAddresses.upsert(Address.parse("172.18.0.2"));
    this.engine = new ServiceEngine({
      tables: this,
      facts: { ...this, name: nodeName },
      settings: loadBalancerSettings(loadConfig(args, {}).values),
      book: this.book,
      kernel,
      grow,
      ...told,
      log: createLog({ level: "silent", base: {} }),
    });
    this.engine.adopt();
  }

  /** A service of TCP port 80 with these endpoints. */
  serve(name: string, clusterIP: string, addresses: readonly string[]): void {
    this.slices.upsert(slice(name, addresses));
    this.services.upsert(service(name, clusterIP));
  }

  async settled(): Promise<void> {
    await this.engine.stage.settled(AbortSignal.timeout(5_000));
  }

  /** The kernel when all that is known is in it; frontends for a whole address left out. */
  async show(): Promise<string[]> {
    await this.settled();
    return this.kernel.show().filter((line) => !line.includes(":0/ANY"));
  }

  [Symbol.dispose](): void {
    this.engine[Symbol.dispose]();
  }
}

export function service(
  name: string,
  clusterIP: string,
  fields: Partial<Service["spec"]> = {},
): Service {
  return {
    metadata: { name, namespace: "shop", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ port: 80 }], ...fields },
  };
}

export function slice(name: string, addresses: readonly string[]): EndpointSlice {
  return {
    metadata: {
      name: `${name}-1`,
      namespace: "shop",
      labels: { "kubernetes.io/service-name": name },
    },
    addressType: "IPv4",
    endpoints: addresses.map((address) => ({ addresses: [address] })),
    ports: [{ port: 8080 }],
  };
}
