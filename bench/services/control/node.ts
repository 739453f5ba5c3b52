// Services of one node in one process: the agent's own engine, tables that the bench fills in place of watches, and
// kernel tables as large as a node's.
import type { Endpoint } from "@tsilium/endpoint/model.ts";
import { type EndpointSlice, type Node as KubeNode, objectKey, type Service } from "@tsilium/kube";
import { ServiceBook } from "@tsilium/loadbalancer";
import { Address } from "@tsilium/net";
import type { Node } from "@tsilium/node/model.ts";
import { createLog } from "@tsilium/runtime";
import { Table } from "@tsilium/tables";
import { loadConfig } from "../../../apps/agent/src/config/load.ts";
import { trimEndpointSlice, trimService } from "../../../apps/agent/src/node/trim-service.ts";
import {
  endpointSliceTable,
  podTable,
  serviceTable,
} from "../../../apps/agent/src/node/watches.ts";
import { ServiceEngine } from "../../../apps/agent/src/services/engine.ts";
import { redirectTable } from "../../../apps/agent/src/services/redirects.ts";
import { loadBalancerSettings } from "../../../apps/agent/src/services/settings.ts";
import { ServiceMaps } from "../../../packages/datapath/src/services/service-maps.ts";
import { flowTables, serviceTables } from "../../../packages/datapath/src/services/tables.ts";
import { freshServiceMaps } from "../../../packages/datapath/src/testing/service-tables.ts";

const nodeName = "node-1";
const nodeAddresses = ["172.18.0.2", "fc00:18::2"];
const maglevSize = 16_381;
/** As in bpf/maps/service.h; what programs write stays empty here. */
const room = {
  entries: 524_288,
  maglev: maglevSize,
  of: {
    tsi_lb_slot: 1_048_576,
    tsi_lb_maglev: 65_536,
    tsi_lb_source: 65_536,
    tsi_lb_skip: 65_536,
    tsi_lb_flow: 1024,
    tsi_lb_socket: 1024,
    tsi_lb_affinity: 1024,
  },
};
const patienceMs = 120_000;

export class ServiceNode implements Disposable {
  readonly #services = serviceTable();
  readonly #slices = endpointSliceTable();
  readonly #maps = freshServiceMaps(room);
  readonly #kernel = new ServiceMaps(serviceTables(this.#maps), flowTables(this.#maps));
  readonly #engine: ServiceEngine;

  constructor() {
    const ownNode = new Table<KubeNode>({ name: "own-node", key: objectKey });
    const ownAddresses = new Table<Address>({ name: "own-addresses", key: String });
    for (const text of nodeAddresses) ownAddresses.upsert(Address.parse(text));
    const nodes = new Table<Node>({ name: "nodes", key: ({ name }) => name });
    const endpoints = new Table<Endpoint>({
      name: "endpoints",
      key: ({ id }) => String(id),
      indexes: { pod: ({ namespace, podName }) => [`${namespace}/${podName}`] },
    });
    const [services, slices] = [this.#services, this.#slices];
    const config = loadConfig(["--kube-proxy-replacement"], {}).values;
    this.#engine = new ServiceEngine({
      tables: { services, slices, endpoints, pods: podTable(), redirects: redirectTable() },
      facts: { name: nodeName, slices, ownNode, ownAddresses, nodes },
      settings: loadBalancerSettings(config),
      book: new ServiceBook({
        maglevTableSize: maglevSize,
        maglevSeed: 1,
        maxSets: room.entries - 1,
      }),
      kernel: this.#kernel,
      grow: () => false,
      log: createLog({ level: "silent", base: {} }),
    });
    this.#engine.adopt();
  }

  /** Into the tables, as watches do it. */
  hear(slice: EndpointSlice, service: Service): void {
    this.#slices.upsert(trimEndpointSlice(slice));
    this.#services.upsert(trimService(service));
  }

  /** What was heard so far is all there is. */
  complete(): void {
    this.#engine.complete();
  }

  /** Resolves when all that was heard is in the kernel's tables. */
  async settled(): Promise<void> {
    await this.#engine.stage.settled(AbortSignal.timeout(patienceMs));
  }

  /** Entries of the table of frontends. */
  get frontends(): number {
    const usage = this.#kernel.usage().find(({ map }) => map === "tsi_lb_frontend");
    return usage?.entries ?? 0;
  }

  [Symbol.dispose](): void {
    this.#engine[Symbol.dispose]();
    this.#maps[Symbol.dispose]();
  }
}
