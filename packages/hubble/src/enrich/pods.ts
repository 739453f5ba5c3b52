// Pods of this node, by everything that events know them by.
import type { FlowEndpoint } from "../model.ts";
import { clusterOf, flowLabels } from "./identities.ts";
import type { EndpointItem } from "./model.ts";

/** A pod as flows show it: one object until the pod changes or an event says another identity. */
export type Pod = { readonly item: EndpointItem; endpoint: FlowEndpoint };

export class Pods {
  readonly #byId = new Map<number, Pod>();
  readonly #byAddress = new Map<string, Pod>();
  readonly #byNetns = new Map<bigint, Pod>();
  readonly #interned: (endpoint: FlowEndpoint) => FlowEndpoint;

  /** @param interned the one object that an endpoint is */
  constructor(interned: (endpoint: FlowEndpoint) => FlowEndpoint) {
    this.#interned = interned;
  }

  set(item: EndpointItem): void {
    this.delete(item.id);
    const pod = { item, endpoint: this.#interned(flowEndpoint(item)) };
    this.#byId.set(item.id, pod);
    for (const address of addressesOf(item)) this.#byAddress.set(address, pod);
    if (item.netnsCookie !== 0n) this.#byNetns.set(item.netnsCookie, pod);
  }

  delete(id: number): EndpointItem | undefined {
    const pod = this.#byId.get(id);
    if (!pod) return undefined;
    const { item } = pod;
    this.#byId.delete(id);
    // An address may have gone to another pod already.
    for (const address of addressesOf(item))
      if (this.#byAddress.get(address) === pod) this.#byAddress.delete(address);
    if (this.#byNetns.get(item.netnsCookie) === pod) this.#byNetns.delete(item.netnsCookie);
    return item;
  }

  byId(id: number): Pod | undefined {
    return this.#byId.get(id);
  }

  byAddress(address: string): Pod | undefined {
    return this.#byAddress.get(address);
  }

  byNetns(cookie: bigint): Pod | undefined {
    return this.#byNetns.get(cookie);
  }
}

function flowEndpoint(item: EndpointItem): FlowEndpoint {
  const labels = flowLabels(item.labels);
  const { id, identity, namespace, podName, workloads } = item;
  return { id, identity, clusterName: clusterOf(labels), namespace, labels, podName, workloads };
}

function addressesOf({ ipv4, ipv6 }: EndpointItem): string[] {
  return [ipv4, ipv6].filter((address) => address !== undefined);
}
