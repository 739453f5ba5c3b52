// What the agent follows besides nodes and identities: its own pods, namespaces, and every CiliumEndpoint.
import type { EndpointPublisher } from "@tsilium/endpoint";
import {
  type CiliumEndpoint,
  type KubeObject,
  type Namespace,
  objectKey,
  type Pod,
  resources,
} from "@tsilium/kube";
import type { Address } from "@tsilium/net";
import { Table } from "@tsilium/tables";
import { remoteEndpointClaims } from "../ipcache/claims.ts";
import type { ClaimKeeper } from "../ipcache/keeper.ts";
import type { Watches } from "../watches.ts";

/** Pods of this node, keyed "namespace/name". */
export function podTable(): Table<Pod> {
  return new Table<Pod>({ name: "pods", key: objectKey });
}

/** Namespaces, keyed by name. */
export function namespaceTable(): Table<Namespace> {
  return new Table<Namespace>({ name: "namespaces", key: objectKey });
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

export type CiliumEndpointsOptions = {
  readonly watches: Watches;
  readonly claims: ClaimKeeper;
  readonly publisher: EndpointPublisher;
  readonly localAddresses: readonly Address[];
  readonly signal: AbortSignal;
};

/** Follows all CiliumEndpoints: other nodes' become claims, our own are held against what we published. */
export function followCiliumEndpoints(options: CiliumEndpointsOptions): Promise<void> {
  const { watches, claims, publisher, localAddresses, signal } = options;
  const owner = (object: CiliumEndpoint) => `ciliumendpoint/${objectKey(object)}`;
  const isLocal = (object: CiliumEndpoint) =>
    localAddresses.some((address) => address.toString() === object.status?.networking?.node);
  return watches.start("ciliumendpoints", resources.ciliumEndpoints, {
    signal,
    trim: (object) => (isLocal(object) ? withoutBallast(object) : trimRemote(object)),
    handlers: {
      upsert: (object) => {
        claims.set(owner(object), remoteEndpointClaims(object, localAddresses));
        publisher.hear(object, true);
      },
      delete: (object) => {
        claims.set(owner(object), []);
        publisher.hear(object, false);
      },
    },
  });
}

function intoTable<T extends KubeObject>(table: Table<T>) {
  return {
    upsert: (object: T) => void table.upsert(object),
    delete: (object: T) => void table.delete(objectKey(object)),
  };
}

/** A pod as far as the agent looks at it: a status with all its conditions is most of a pod's size. */
function trimPod(pod: Pod): Pod {
  const { spec, metadata } = withoutBallast(pod);
  return {
    metadata,
    spec: {
      containers: spec.containers.map(({ name, ports }) => ({ name, ...(ports ? { ports } : {}) })),
      ...(spec.nodeName ? { nodeName: spec.nodeName } : {}),
      ...(spec.hostNetwork ? { hostNetwork: true } : {}),
      ...(spec.serviceAccountName ? { serviceAccountName: spec.serviceAccountName } : {}),
    },
  };
}

/** Of another node's pod only its address, identity and node matter here. */
function trimRemote(object: CiliumEndpoint): CiliumEndpoint {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  const { identity, networking } = object.status ?? {};
  return {
    metadata: {
      ...(name ? { name } : {}),
      ...(namespace ? { namespace } : {}),
      ...(uid ? { uid } : {}),
      ...(resourceVersion ? { resourceVersion } : {}),
    },
    status: {
      ...(identity ? { identity: { id: identity.id } } : {}),
      ...(networking ? { networking } : {}),
    },
  };
}

/** Without managedFields and the like, which nobody here reads. */
function withoutBallast<T extends KubeObject>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata as T["metadata"] & {
    managedFields?: unknown;
  };
  return { ...object, metadata };
}
