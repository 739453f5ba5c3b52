// Policy objects as kubectl applies them, as far as the naive evaluator reads them.

export type LabelSelector = {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
};

type Metadata = {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
};

/** Any object; the evaluator picks those of a kind that it knows. */
export type RawObject = {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
};

export type KubePeer = {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
};

export type KubePort = {
  readonly protocol?: string;
  readonly port?: number | string;
  readonly endPort?: number;
};

export type NetworkPolicy = RawObject & {
  readonly spec: {
    readonly podSelector?: LabelSelector;
    readonly policyTypes?: readonly string[];
    readonly ingress?: readonly {
      readonly from?: readonly KubePeer[];
      readonly ports?: readonly KubePort[];
    }[];
    readonly egress?: readonly {
      readonly to?: readonly KubePeer[];
      readonly ports?: readonly KubePort[];
    }[];
  };
};

export type CidrRule = {
  readonly cidr?: string;
  readonly cidrGroupRef?: string;
  readonly cidrGroupSelector?: LabelSelector;
  readonly except?: readonly string[];
};

export type ServiceRef = {
  readonly k8sService?: { readonly serviceName?: string; readonly namespace?: string };
  readonly k8sServiceSelector?: {
    readonly selector?: LabelSelector;
    readonly namespace?: string;
  };
};

/** One kind of peer list of a Cilium rule, under its name without "from" or "to". */
export type CiliumPeers = {
  readonly Endpoints?: readonly LabelSelector[];
  readonly Entities?: readonly string[];
  readonly CIDR?: readonly string[];
  readonly CIDRSet?: readonly CidrRule[];
  readonly Services?: readonly ServiceRef[];
  readonly Nodes?: readonly LabelSelector[];
  readonly FQDNs?: readonly unknown[];
  readonly Groups?: readonly unknown[];
};

export type CiliumPortRule = {
  readonly ports?: readonly {
    readonly port?: string;
    readonly endPort?: number;
    readonly protocol?: string;
  }[];
  readonly rules?: object;
  readonly serverNames?: readonly string[];
  readonly terminatingTLS?: object;
  readonly originatingTLS?: object;
  readonly listener?: object;
};

/** Keys besides these are peer lists: "fromEndpoints", "toCIDRSet", ... */
export type CiliumRule = {
  readonly toPorts?: readonly CiliumPortRule[];
  readonly icmps?: readonly {
    readonly fields?: readonly { readonly family?: string; readonly type: number | string }[];
  }[];
};

export type CiliumSpec = {
  readonly endpointSelector?: LabelSelector;
  readonly nodeSelector?: LabelSelector;
  readonly ingress?: readonly CiliumRule[];
  readonly ingressDeny?: readonly CiliumRule[];
  readonly egress?: readonly CiliumRule[];
  readonly egressDeny?: readonly CiliumRule[];
  readonly enableDefaultDeny?: { readonly ingress?: boolean; readonly egress?: boolean };
};

/** CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy. */
export type CiliumPolicy = RawObject & {
  readonly spec?: CiliumSpec;
  readonly specs?: readonly CiliumSpec[];
};

export type NamespacedPods = {
  readonly namespaceSelector?: LabelSelector;
  readonly podSelector?: LabelSelector;
};

export type ClusterPeer = {
  readonly namespaces?: LabelSelector;
  readonly pods?: NamespacedPods;
  readonly nodes?: LabelSelector;
  readonly networks?: readonly string[];
  readonly domainNames?: readonly string[];
};

type ClusterPort = {
  readonly destinationPort?: {
    readonly number?: number;
    readonly range?: { readonly start: number; readonly end: number };
  };
};

export type ClusterProtocol = {
  readonly tcp?: ClusterPort;
  readonly udp?: ClusterPort;
  readonly sctp?: ClusterPort;
  readonly destinationNamedPort?: string;
};

export type ClusterRule = {
  readonly name?: string;
  readonly action: "Accept" | "Deny" | "Pass";
  readonly from?: readonly ClusterPeer[];
  readonly to?: readonly ClusterPeer[];
  readonly protocols?: readonly ClusterProtocol[];
};

export type ClusterNetworkPolicy = RawObject & {
  readonly spec: {
    readonly tier: "Admin" | "Baseline";
    readonly priority: number;
    readonly subject: { readonly namespaces?: LabelSelector; readonly pods?: NamespacedPods };
    readonly ingress?: readonly ClusterRule[];
    readonly egress?: readonly ClusterRule[];
  };
};

export type CidrGroup = RawObject & {
  readonly spec: { readonly externalCIDRs?: readonly string[] };
};

export type Service = RawObject & {
  readonly spec: { readonly selector?: Readonly<Record<string, string>> };
};

export type EndpointSlice = RawObject & {
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[];
};
