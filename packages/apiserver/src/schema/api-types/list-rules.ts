// How lists and maps of Kubernetes' own types are merged and compared, by "Type.field": what the models of a client do
// not tell. Facts of Kubernetes' API definitions.

export type ListRule = {
  /** x-kubernetes-list-type */
  readonly list?: "atomic" | "set" | "map";
  /** x-kubernetes-list-map-keys */
  readonly keys?: readonly string[];
  /** x-kubernetes-map-type */
  readonly map?: "atomic" | "granular";
  /** x-kubernetes-patch-merge-key; the patch strategy is "merge" then, unless said otherwise. */
  readonly mergeKey?: string;
  /** x-kubernetes-patch-strategy */
  readonly strategy?: string;
};

const byKey = (key: string, more: ListRule = {}): ListRule => ({
  list: "map",
  keys: [key],
  mergeKey: key,
  strategy: "merge",
  ...more,
});
const atomic: ListRule = { list: "atomic" };

const container: Readonly<Record<string, ListRule>> = {
  args: atomic,
  command: atomic,
  env: byKey("name"),
  envFrom: atomic,
  ports: {
    list: "map",
    keys: ["containerPort", "protocol"],
    mergeKey: "containerPort",
    strategy: "merge",
  },
  resizePolicy: atomic,
  volumeDevices: byKey("devicePath"),
  volumeMounts: byKey("mountPath"),
};

const rules: Readonly<Record<string, Readonly<Record<string, ListRule>>>> = {
  Container: container,
  EphemeralContainer: container,
  ResourceRequirements: { claims: { list: "map", keys: ["name"] } },
  Capabilities: { add: atomic, drop: atomic },
  ExecAction: { command: atomic },
  HTTPGetAction: { httpHeaders: atomic },
  PodSpec: {
    containers: byKey("name"),
    ephemeralContainers: byKey("name"),
    hostAliases: byKey("ip"),
    imagePullSecrets: byKey("name"),
    initContainers: byKey("name"),
    nodeSelector: { map: "atomic" },
    readinessGates: atomic,
    resourceClaims: byKey("name", { strategy: "merge,retainKeys" }),
    schedulingGates: byKey("name"),
    tolerations: atomic,
    topologySpreadConstraints: {
      list: "map",
      keys: ["topologyKey", "whenUnsatisfiable"],
      mergeKey: "topologyKey",
      strategy: "merge",
    },
    volumes: byKey("name", { strategy: "merge,retainKeys" }),
  },
  PodSecurityContext: { supplementalGroups: atomic, sysctls: atomic },
  PodDNSConfig: { nameservers: atomic, options: atomic, searches: atomic },
  TopologySpreadConstraint: { matchLabelKeys: atomic },
  ConfigMapVolumeSource: { items: atomic },
  SecretVolumeSource: { items: atomic },
  DownwardAPIVolumeSource: { items: atomic },
  ConfigMapProjection: { items: atomic },
  SecretProjection: { items: atomic },
  DownwardAPIProjection: { items: atomic },
  ProjectedVolumeSource: { sources: atomic },
  HostAlias: { hostnames: atomic },
  PodStatus: {
    conditions: byKey("type"),
    containerStatuses: atomic,
    ephemeralContainerStatuses: atomic,
    hostIPs: { list: "atomic", mergeKey: "ip", strategy: "merge" },
    initContainerStatuses: atomic,
    podIPs: byKey("ip"),
  },
  NodeSpec: {
    podCIDRs: { list: "set", strategy: "merge" },
    taints: atomic,
  },
  NodeStatus: {
    addresses: byKey("type"),
    conditions: byKey("type"),
    images: atomic,
    volumesAttached: atomic,
    volumesInUse: atomic,
  },
  NamespaceSpec: { finalizers: atomic },
  NamespaceStatus: { conditions: byKey("type") },
  ServiceSpec: {
    clusterIPs: atomic,
    externalIPs: atomic,
    ipFamilies: atomic,
    loadBalancerSourceRanges: atomic,
    ports: { list: "map", keys: ["port", "protocol"], mergeKey: "port", strategy: "merge" },
    selector: { map: "atomic" },
  },
  ServiceStatus: { conditions: byKey("type") },
  LoadBalancerStatus: { ingress: atomic },
  LoadBalancerIngress: { ports: atomic },
  ServiceAccount: { imagePullSecrets: atomic, secrets: byKey("name") },
  Endpoints: { subsets: atomic },
  EndpointSubset: { addresses: atomic, notReadyAddresses: atomic, ports: atomic },
  EndpointSlice: { endpoints: atomic, ports: atomic },
  Endpoint: { addresses: { list: "set" } },
  EndpointHints: { forNodes: atomic, forZones: atomic },
  ObjectMeta: {
    finalizers: { list: "set", strategy: "merge" },
    managedFields: atomic,
    ownerReferences: byKey("uid"),
  },
  LabelSelector: { matchExpressions: atomic },
  LabelSelectorRequirement: { values: atomic },
  DeploymentSpec: { strategy: { strategy: "retainKeys" } },
  DeploymentStatus: { conditions: byKey("type") },
  ReplicaSetStatus: { conditions: byKey("type") },
  DaemonSetStatus: { conditions: byKey("type") },
  StatefulSetSpec: { volumeClaimTemplates: atomic },
  StatefulSetStatus: { conditions: byKey("type") },
  JobStatus: { conditions: { list: "atomic", mergeKey: "type", strategy: "merge" } },
  CronJobStatus: { active: atomic },
  NetworkPolicySpec: { egress: atomic, ingress: atomic, policyTypes: atomic },
  NetworkPolicyEgressRule: { ports: atomic, to: atomic },
  NetworkPolicyIngressRule: { from: atomic, ports: atomic },
  IPBlock: { except: atomic },
  ValidatingWebhookConfiguration: { webhooks: byKey("name") },
  ValidatingWebhook: { admissionReviewVersions: atomic, matchConditions: byKey("name") },
  RuleWithOperations: {
    apiGroups: atomic,
    apiVersions: atomic,
    operations: atomic,
    resources: atomic,
  },
  CustomResourceDefinitionNames: { categories: atomic, shortNames: atomic },
  CustomResourceDefinitionSpec: { versions: atomic },
  CustomResourceDefinitionStatus: {
    conditions: { list: "map", keys: ["type"] },
    storedVersions: atomic,
  },
  CustomResourceDefinitionVersion: { additionalPrinterColumns: atomic, selectableFields: atomic },
  PersistentVolumeClaimSpec: { accessModes: atomic },
  PersistentVolumeClaimStatus: { accessModes: atomic, conditions: byKey("type") },
};

/** Types whose value one manager owns whole (x-kubernetes-map-type: atomic). */
const atomicTypes: ReadonlySet<string> = new Set([
  "ConfigMapKeySelector",
  "FileKeySelector",
  "LabelSelector",
  "LocalObjectReference",
  "NodeSelector",
  "NodeSelectorTerm",
  "ObjectFieldSelector",
  "ObjectReference",
  "ResourceFieldSelector",
  "ScopeSelector",
  "SecretKeySelector",
  "SecretReference",
  "TypedLocalObjectReference",
]);

/** The rule of a field, undefined where Kubernetes states none: lists are atomic then, maps granular. */
export function listRule(type: string, field: string): ListRule | undefined {
  const fields = Object.hasOwn(rules, type) ? rules[type] : undefined;
  return fields && Object.hasOwn(fields, field) ? fields[field] : undefined;
}

/** Is this type's value owned whole, by whoever sets any of it? */
export function isAtomicType(type: string): boolean {
  return atomicTypes.has(type);
}
