// The cluster as the API server tells it, in tables with the indexes that names need.
import {
  type EndpointSlice,
  type KubeClient,
  objectKey,
  type Pod,
  reflectTable,
  resources,
  type Service,
} from "@tsilium/kube";
import type { ClusterView } from "./cluster.ts";

export type WatchedView = ClusterView & {
  /** Resolves when the first lists are in. */
  readonly synced: Promise<unknown>;
};

/** Follows services, slices, pods and namespaces until the signal aborts. */
export function watchCluster(
  client: KubeClient,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): WatchedView {
  const common = { signal, onError };
  const services = reflectTable(client, resources.services, {
    ...common,
    indexes: { address: ({ spec }: Service) => [...(spec.clusterIPs ?? [])] },
  });
  const slices = reflectTable(client, resources.endpointSlices, {
    ...common,
    indexes: {
      service: ({ metadata }: EndpointSlice) => [
        `${metadata.namespace}/${metadata.labels?.["kubernetes.io/service-name"]}`,
      ],
      address: ({ endpoints = [] }: EndpointSlice) =>
        endpoints.flatMap(({ addresses }) => [...addresses]),
    },
  });
  const pods = reflectTable(client, resources.pods, {
    ...common,
    trim: nameAndAddresses,
    indexes: { address: ({ status }: Pod) => (status?.podIPs ?? []).map(({ ip }) => ip) },
  });
  const namespaces = reflectTable(client, resources.namespaces, common);
  return {
    synced: Promise.all([services, slices, pods, namespaces].map(({ synced }) => synced)),
    service: (namespace, name) => services.table.get(objectKey({ metadata: { namespace, name } })),
    servicesByAddress: (address) => services.table.by("address", address),
    slices: (namespace, service) => slices.table.by("service", `${namespace}/${service}`),
    slicesByAddress: (address) => slices.table.by("address", address),
    podsByAddress: (address) => pods.table.by("address", address),
    hasNamespace: (name) => namespaces.table.has(name),
  };
}

/** All that names need of a pod. */
function nameAndAddresses({ metadata, status }: Pod): Pod {
  const { name, namespace, uid, resourceVersion } = metadata;
  return {
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    spec: { containers: [] },
    ...(status?.podIPs ? { status: { podIPs: status.podIPs } } : {}),
  };
}
