// What the agent follows besides nodes and identities: its own pods, namespaces, every CiliumEndpoint, and what says
// where services and the API server are. Policies are followed by policy/inputs.
import type { EndpointPublisher } from "@tsilium/endpoint";
import { HostAddresses } from "@tsilium/ipcache";
import {
  type CiliumEndpoint,
  type EndpointSlice,
  type KubeObject,
  type Namespace,
  type Node,
  objectKey,
  type Pod,
  resources,
  type Service,
} from "@tsilium/kube";
import type { Address } from "@tsilium/net";
import { Table } from "@tsilium/tables";
import { serviceOf } from "../ipcache/api-server.ts";
import { remoteEndpointClaims } from "../ipcache/claims.ts";
import type { ClaimKeeper } from "../ipcache/keeper.ts";
import type { NamedPorts } from "../policy/inputs/named-ports.ts";
import { publishedPortsOf } from "../policy/inputs/pod-traits.ts";
import type { Watches } from "../watches.ts";
import { trimEndpointSlice, trimService } from "./trim-service.ts";
import { trimNode, trimPod, trimRemote, withoutBallast } from "./trim.ts";

/** Pods of this node, keyed "namespace/name". */
export function podTable(): Table<Pod> {
  return new Table<Pod>({ name: "pods", key: objectKey });
}

/** Namespaces, keyed by name. */
export function namespaceTable(): Table<Namespace> {
  return new Table<Namespace>({ name: "namespaces", key: objectKey });
}

/** Services, keyed "namespace/name". */
export function serviceTable(): Table<Service> {
  return new Table<Service>({ name: "services", key: objectKey });
}

/** EndpointSlices, keyed "namespace/name"; index "service" by the "namespace/name" of whose they are. */
export function endpointSliceTable(): Table<EndpointSlice> {
  return new Table<EndpointSlice>({
    name: "endpointslices",
    key: objectKey,
    indexes: { service: (slice) => [serviceOf(slice) ?? ""] },
  });
}

/** Nodes with their labels, keyed by name. */
export function nodeLabelTable(): Table<Node> {
  return new Table<Node>({ name: "node-labels", key: objectKey });
}

/** Follows the pods of one node into a table. Resolves when all there are is known. */
export function followPods(
  watches: Watches,
  table: Table<Pod>,
  node: string,
  signal: AbortSignal,
): Promise<void> {
  return watches.start("pods", resources.pods, {
    fieldSelector: `spec.nodeName=${node}`,
    signal,
    trim: trimPod,
    handlers: intoTable(table),
  });
}

/** Follows all namespaces into a table. Resolves when all there are is known. */
export function followNamespaces(
  watches: Watches,
  table: Table<Namespace>,
  signal: AbortSignal,
): Promise<void> {
  return watches.start("namespaces", resources.namespaces, {
    signal,
    trim: withoutBallast,
    handlers: intoTable(table),
  });
}

/** Follows services and their EndpointSlices into tables. Resolves when all there are is known. */
export async function followServices(
  watches: Watches,
  tables: { readonly services: Table<Service>; readonly slices: Table<EndpointSlice> },
  signal: AbortSignal,
): Promise<void> {
  await Promise.all([
    watches.start("services", resources.services, {
      signal,
      trim: trimService,
      handlers: intoTable(tables.services),
    }),
    watches.start("endpointslices", resources.endpointSlices, {
      signal,
      trim: trimEndpointSlice,
      handlers: intoTable(tables.slices),
    }),
  ]);
}

/** Follows the labels of all nodes into a table. Resolves when all there are is known. */
export function followNodeLabels(
  watches: Watches,
  table: Table<Node>,
  signal: AbortSignal,
): Promise<void> {
  return watches.start("node labels", resources.nodes, {
    signal,
    trim: trimNode,
    handlers: intoTable(table),
  });
}

export type CiliumEndpointsOptions = {
  readonly watches: Watches;
  readonly claims: ClaimKeeper;
  readonly namedPorts: NamedPorts;
  readonly publisher: EndpointPublisher;
  readonly localAddresses: readonly Address[];
  readonly signal: AbortSignal;
};

/** Follows all CiliumEndpoints: other nodes' become claims, our own are held against what we published. */
export function followCiliumEndpoints(options: CiliumEndpointsOptions): Promise<void> {
  const { watches, claims, namedPorts, publisher, localAddresses, signal } = options;
  const owner = (object: CiliumEndpoint) => `ciliumendpoint/${objectKey(object)}`;
  const hostAddresses = new HostAddresses();
  const localTexts = new Set(localAddresses.map(String));
  const isLocal = (object: CiliumEndpoint) => localTexts.has(object.status?.networking?.node ?? "");
  return watches.start("ciliumendpoints", resources.ciliumEndpoints, {
    signal,
    trim: (object) => (isLocal(object) ? withoutBallast(object) : trimRemote(object)),
    handlers: {
      upsert: (object) => {
        // Ports first: who has the address must not be met without them.
        const key = owner(object);
        if (isLocal(object)) namedPorts.delete(key);
        else {
          const identity = object.status?.identity?.id ?? 0;
          namedPorts.set(key, identity, publishedPortsOf(object));
        }
        claims.set(key, remoteEndpointClaims(object, localAddresses, hostAddresses));
        publisher.hear(object, true);
      },
      delete: (object) => {
        claims.set(owner(object), []);
        namedPorts.delete(owner(object));
        publisher.hear(object, false);
      },
    },
  });
}

/** Handlers that keep a table as the API server has it. */
export function intoTable<T extends KubeObject>(table: Table<T>) {
  return {
    upsert: (object: T) => void table.upsert(object),
    delete: (object: T) => void table.delete(objectKey(object)),
  };
}
