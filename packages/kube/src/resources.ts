// Where each kind lives in the API: group, version, plural, and whether it has a namespace.
import type {
  CiliumEndpoint,
  CiliumIdentity,
  CiliumNode,
  CiliumPodIPPool,
  CiliumNodeConfig,
} from "./types/cilium.ts";
import type {
  ConfigMap,
  CustomResourceDefinition,
  DaemonSet,
  Deployment,
  Event,
  Job,
  Lease,
  Namespace,
  Node,
  ReplicaSet,
  Secret,
  ServiceAccount,
} from "./types/core.ts";
import type { Endpoints } from "./types/endpoints.ts";
import type { KubeObject } from "./types/meta.ts";
import type { Pod } from "./types/pod.ts";
import type {
  CiliumCidrGroup,
  CiliumClusterwideNetworkPolicy,
  CiliumNetworkPolicy,
  ClusterNetworkPolicy,
  NetworkPolicy,
} from "./types/policy.ts";
import type { ControllerRevision, StatefulSet } from "./types/revisioned.ts";
import type {
  CiliumLoadBalancerIPPool,
  CiliumLocalRedirectPolicy,
  EndpointSlice,
  Service,
} from "./types/service.ts";

/** A kind's place in the API. The type parameter is the object's type; it exists for the compiler alone. */
export type Resource<T extends KubeObject = KubeObject> = {
  /** "" for core/v1. */
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly objectType?: T;
};

function define<T extends KubeObject>(
  apiVersion: string,
  plural: string,
  kind: string,
): Resource<T> {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  return { group: group ?? "", version: version ?? "", plural, kind, namespaced: true };
}

function defineClusterWide<T extends KubeObject>(
  apiVersion: string,
  plural: string,
  kind: string,
): Resource<T> {
  return { ...define<T>(apiVersion, plural, kind), namespaced: false };
}

/** Every resource Tsilium itself reads or writes. */
export const resources = {
  pods: define<Pod>("v1", "pods", "Pod"),
  nodes: defineClusterWide<Node>("v1", "nodes", "Node"),
  namespaces: defineClusterWide<Namespace>("v1", "namespaces", "Namespace"),
  services: define<Service>("v1", "services", "Service"),
  configMaps: define<ConfigMap>("v1", "configmaps", "ConfigMap"),
  secrets: define<Secret>("v1", "secrets", "Secret"),
  serviceAccounts: define<ServiceAccount>("v1", "serviceaccounts", "ServiceAccount"),
  events: define<Event>("v1", "events", "Event"),
  deployments: define<Deployment>("apps/v1", "deployments", "Deployment"),
  replicaSets: define<ReplicaSet>("apps/v1", "replicasets", "ReplicaSet"),
  daemonSets: define<DaemonSet>("apps/v1", "daemonsets", "DaemonSet"),
  statefulSets: define<StatefulSet>("apps/v1", "statefulsets", "StatefulSet"),
  controllerRevisions: define<ControllerRevision>(
    "apps/v1",
    "controllerrevisions",
    "ControllerRevision",
  ),
  jobs: define<Job>("batch/v1", "jobs", "Job"),
  endpointSlices: define<EndpointSlice>("discovery.k8s.io/v1", "endpointslices", "EndpointSlice"),
  endpoints: define<Endpoints>("v1", "endpoints", "Endpoints"),
  leases: define<Lease>("coordination.k8s.io/v1", "leases", "Lease"),
  customResourceDefinitions: defineClusterWide<CustomResourceDefinition>(
    "apiextensions.k8s.io/v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
  ),
  ciliumNodes: defineClusterWide<CiliumNode>("cilium.io/v2", "ciliumnodes", "CiliumNode"),
  ciliumPodIPPools: defineClusterWide<CiliumPodIPPool>(
    "cilium.io/v2",
    "ciliumpodippools",
    "CiliumPodIPPool",
  ),
  ciliumEndpoints: define<CiliumEndpoint>("cilium.io/v2", "ciliumendpoints", "CiliumEndpoint"),
  ciliumIdentities: defineClusterWide<CiliumIdentity>(
    "cilium.io/v2",
    "ciliumidentities",
    "CiliumIdentity",
  ),
  ciliumNodeConfigs: define<CiliumNodeConfig>(
    "cilium.io/v2",
    "ciliumnodeconfigs",
    "CiliumNodeConfig",
  ),
  networkPolicies: define<NetworkPolicy>(
    "networking.k8s.io/v1",
    "networkpolicies",
    "NetworkPolicy",
  ),
  ciliumNetworkPolicies: define<CiliumNetworkPolicy>(
    "cilium.io/v2",
    "ciliumnetworkpolicies",
    "CiliumNetworkPolicy",
  ),
  ciliumClusterwideNetworkPolicies: defineClusterWide<CiliumClusterwideNetworkPolicy>(
    "cilium.io/v2",
    "ciliumclusterwidenetworkpolicies",
    "CiliumClusterwideNetworkPolicy",
  ),
  clusterNetworkPolicies: defineClusterWide<ClusterNetworkPolicy>(
    "policy.networking.k8s.io/v1alpha2",
    "clusternetworkpolicies",
    "ClusterNetworkPolicy",
  ),
  ciliumCidrGroups: defineClusterWide<CiliumCidrGroup>(
    "cilium.io/v2",
    "ciliumcidrgroups",
    "CiliumCIDRGroup",
  ),
  ciliumLocalRedirectPolicies: define<CiliumLocalRedirectPolicy>(
    "cilium.io/v2",
    "ciliumlocalredirectpolicies",
    "CiliumLocalRedirectPolicy",
  ),
  ciliumLoadBalancerIPPools: defineClusterWide<CiliumLoadBalancerIPPool>(
    "cilium.io/v2",
    "ciliumloadbalancerippools",
    "CiliumLoadBalancerIPPool",
  ),
} as const;

/** "v1" for the core group, "group/version" otherwise. */
export function apiVersionOf(resource: Resource): string {
  return resource.group === "" ? resource.version : `${resource.group}/${resource.version}`;
}

/**
 * URL path of a collection or, with a name, of one object. Without a namespace a namespaced resource's
 * path spans all namespaces.
 */
export function resourcePath(
  resource: Resource,
  at: {
    readonly namespace?: string | undefined;
    readonly name?: string;
    readonly subresource?: string | undefined;
  } = {},
): string {
  const root =
    resource.group === "" ? `/api/${resource.version}` : `/apis/${apiVersionOf(resource)}`;
  const parts = [root];
  if (resource.namespaced && at.namespace !== undefined) {
    parts.push("namespaces", encodeURIComponent(at.namespace));
  }
  parts.push(resource.plural);
  if (at.name !== undefined) parts.push(encodeURIComponent(at.name));
  if (at.subresource !== undefined) parts.push(at.subresource);
  return parts.join("/");
}

/** "namespace/name", or the bare name for what has no namespace: the key used in tables and maps. */
export function objectKey(object: KubeObject): string {
  const { namespace, name = "" } = object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}
