// core/v1 Service and discovery.k8s.io/v1 EndpointSlice, and what Cilium adds to them: local redirect policies
// (cilium.io/v2) and pools of load-balancer addresses (cilium.io/v2). What a field may hold is what the API server lets
// through; an object that came past another server may hold anything.
import type { ObjectReference } from "./core.ts";
import type { Condition, KubeObject, LabelSelector } from "./meta.ts";

export type Protocol = "TCP" | "UDP" | "SCTP";

export type ServicePort = {
  /** Unique within the service; may be absent only of a single port. */
  readonly name?: string;
  /** Default TCP. */
  readonly protocol?: Protocol;
  readonly appProtocol?: string;
  readonly port: number;
  /** A number, or a container port's name; the slices of the service say what it came to. Default `port`. */
  readonly targetPort?: number | string;
  readonly nodePort?: number;
};

export type IPFamily = "IPv4" | "IPv6";

/** Cluster: all endpoints. Local: only those of the node that the traffic meets first. */
export type TrafficPolicy = "Cluster" | "Local";

export type ServiceSpec = {
  readonly type?: "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports?: readonly ServicePort[];
  /** "None": headless. The first of `clusterIPs`. */
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly ipFamilies?: readonly IPFamily[];
  readonly ipFamilyPolicy?: "SingleStack" | "PreferDualStack" | "RequireDualStack";
  readonly externalIPs?: readonly string[];
  readonly externalName?: string;
  readonly sessionAffinity?: "None" | "ClientIP";
  readonly sessionAffinityConfig?: {
    /** Seconds, 1 to 86400; default 10800. */
    readonly clientIP?: { readonly timeoutSeconds?: number };
  };
  readonly externalTrafficPolicy?: TrafficPolicy;
  readonly internalTrafficPolicy?: TrafficPolicy;
  readonly loadBalancerIP?: string;
  /** Whose controller the service is for; absent: the cluster's default one. */
  readonly loadBalancerClass?: string;
  /** CIDRs that clients of the load balancer's addresses may come from; empty: from anywhere. */
  readonly loadBalancerSourceRanges?: readonly string[];
  /** Default true. */
  readonly allocateLoadBalancerNodePorts?: boolean;
  /** Where nodes tell whether they have endpoints of their own; of load balancers with externalTrafficPolicy Local. */
  readonly healthCheckNodePort?: number;
  readonly publishNotReadyAddresses?: boolean;
  /** "PreferClose", "PreferSameZone", "PreferSameNode". */
  readonly trafficDistribution?: string;
};

export type LoadBalancerIngress = {
  readonly ip?: string;
  readonly hostname?: string;
  /** VIP (default): traffic arrives with this address. Proxy: it arrives with a node's. */
  readonly ipMode?: "VIP" | "Proxy";
  readonly ports?: readonly {
    readonly port: number;
    readonly protocol: Protocol;
    readonly error?: string;
  }[];
};

export type Service = KubeObject & {
  readonly spec: ServiceSpec;
  readonly status?: {
    readonly loadBalancer?: { readonly ingress?: readonly LoadBalancerIngress[] };
    readonly conditions?: readonly Condition[];
  };
};

export type EndpointConditions = {
  /** Absent: unknown, taken for true. */
  readonly ready?: boolean;
  /** As ready, but true also of a terminating endpoint that still answers. Absent: as `ready`. */
  readonly serving?: boolean;
  /** Absent: false. */
  readonly terminating?: boolean;
};

export type EndpointHints = {
  readonly forZones?: readonly { readonly name: string }[];
  readonly forNodes?: readonly { readonly name: string }[];
};

export type SliceEndpoint = {
  /** All are the same endpoint's; consumers use the first. */
  readonly addresses: readonly string[];
  readonly conditions?: EndpointConditions;
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly targetRef?: ObjectReference;
  /** Whom the endpoint is for, as the control plane shares them out. */
  readonly hints?: EndpointHints;
};

export type EndpointPort = {
  /** The service port's name; "" or absent: of the single unnamed one. */
  readonly name?: string;
  readonly protocol?: Protocol;
  /** Absent: all ports. */
  readonly port?: number;
  readonly appProtocol?: string;
};

export type EndpointSlice = KubeObject & {
  readonly addressType: "IPv4" | "IPv6" | "FQDN";
  readonly endpoints?: readonly SliceEndpoint[];
  readonly ports?: readonly EndpointPort[];
};

/** Label of a slice: the name of the service, of its namespace, that it is of. */
export const serviceNameLabel = "kubernetes.io/service-name";

export type LocalRedirectPort = {
  /** A number as text. */
  readonly port: string;
  readonly protocol: "TCP" | "UDP";
  /** Needed when there are several ports: frontend and backend meet by it. */
  readonly name?: string;
};

/** Exactly one of addressMatcher and serviceMatcher. */
export type LocalRedirectFrontend = {
  readonly addressMatcher?: { readonly ip: string; readonly toPorts: readonly LocalRedirectPort[] };
  readonly serviceMatcher?: {
    readonly serviceName: string;
    /** The policy's own. */
    readonly namespace: string;
    /** Absent: all ports of the service. */
    readonly toPorts?: readonly LocalRedirectPort[];
  };
};

/** Traffic of a node's pods to an address or a service goes to pods of the same node instead. */
export type CiliumLocalRedirectPolicy = KubeObject & {
  readonly spec?: {
    readonly redirectFrontend: LocalRedirectFrontend;
    readonly redirectBackend: {
      readonly localEndpointSelector: LabelSelector;
      readonly toPorts: readonly LocalRedirectPort[];
    };
    /** The backends themselves reach what the frontend really is. */
    readonly skipRedirectFromBackend?: boolean;
    readonly description?: string;
  };
  readonly status?: { readonly ok?: boolean };
};

/** A CIDR, or addresses from start to stop (absent: start alone). */
export type LoadBalancerIPBlock = {
  readonly cidr?: string;
  readonly start?: string;
  readonly stop?: string;
};

/** Addresses that services of type LoadBalancer are given. */
export type CiliumLoadBalancerIPPool = KubeObject & {
  readonly spec?: {
    /** Of services; the keys "io.kubernetes.service.namespace" and "io.kubernetes.service.name" are theirs too. */
    readonly serviceSelector?: LabelSelector;
    /** "No": a block's first and last address are not given out. */
    readonly allowFirstLastIPs?: "Yes" | "No";
    readonly blocks?: readonly LoadBalancerIPBlock[];
    /** Nothing more is given out; what is stays. */
    readonly disabled?: boolean;
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
};
