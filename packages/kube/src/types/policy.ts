// Policy objects as their APIs define them: networking.k8s.io/v1 NetworkPolicy, cilium.io/v2 CiliumNetworkPolicy,
// CiliumClusterwideNetworkPolicy and CiliumCIDRGroup, policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy.
import type { Condition, KubeObject, LabelSelector } from "./meta.ts";

export type NetworkPolicy = KubeObject & { readonly spec?: NetworkPolicySpec };

export type NetworkPolicySpec = {
  readonly podSelector?: LabelSelector;
  readonly policyTypes?: readonly ("Ingress" | "Egress")[];
  readonly ingress?: readonly NetworkPolicyIngressRule[];
  readonly egress?: readonly NetworkPolicyEgressRule[];
};

export type NetworkPolicyIngressRule = {
  readonly from?: readonly NetworkPolicyPeer[];
  readonly ports?: readonly NetworkPolicyPort[];
};

export type NetworkPolicyEgressRule = {
  readonly to?: readonly NetworkPolicyPeer[];
  readonly ports?: readonly NetworkPolicyPort[];
};

export type NetworkPolicyPeer = {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] };
};

export type NetworkPolicyPort = {
  readonly protocol?: "TCP" | "UDP" | "SCTP";
  /** A number, or a container port's name. */
  readonly port?: number | string;
  readonly endPort?: number;
};

/** Also CiliumClusterwideNetworkPolicy: only that has `nodeSelector`. */
export type CiliumNetworkPolicy = KubeObject & {
  readonly spec?: CiliumRuleSpec;
  readonly specs?: readonly CiliumRuleSpec[];
  readonly status?: { readonly conditions?: readonly Condition[] };
};

export type CiliumClusterwideNetworkPolicy = CiliumNetworkPolicy;

/** Keys of its selectors may carry a label source ("k8s:app", "reserved:host", "any:app"). */
export type CiliumRuleSpec = {
  readonly endpointSelector?: LabelSelector;
  readonly nodeSelector?: LabelSelector;
  readonly ingress?: readonly CiliumIngressRule[];
  readonly ingressDeny?: readonly CiliumIngressDenyRule[];
  readonly egress?: readonly CiliumEgressRule[];
  readonly egressDeny?: readonly CiliumEgressDenyRule[];
  readonly enableDefaultDeny?: { readonly ingress?: boolean; readonly egress?: boolean };
  readonly labels?: readonly (string | CiliumRuleLabel)[];
  readonly description?: string;
  readonly log?: { readonly value?: string };
};

export type CiliumRuleLabel = {
  readonly key: string;
  readonly value?: string;
  readonly source?: string;
};

type CiliumIngressPeers = {
  readonly fromEndpoints?: readonly LabelSelector[];
  readonly fromEntities?: readonly string[];
  readonly fromCIDR?: readonly string[];
  readonly fromCIDRSet?: readonly CiliumCidrRule[];
  readonly fromNodes?: readonly LabelSelector[];
  readonly fromGroups?: readonly object[];
  readonly fromRequires?: readonly LabelSelector[];
};

type CiliumEgressPeers = {
  readonly toEndpoints?: readonly LabelSelector[];
  readonly toEntities?: readonly string[];
  readonly toCIDR?: readonly string[];
  readonly toCIDRSet?: readonly CiliumCidrRule[];
  readonly toNodes?: readonly LabelSelector[];
  readonly toServices?: readonly CiliumServicePeer[];
  readonly toGroups?: readonly object[];
  readonly toRequires?: readonly LabelSelector[];
};

type CiliumAuthentication = { readonly mode: "disabled" | "required" | "test-always-fail" };

export type CiliumIngressRule = CiliumIngressPeers & {
  readonly toPorts?: readonly CiliumPortRule[];
  readonly icmps?: readonly CiliumIcmpRule[];
  readonly authentication?: CiliumAuthentication;
};

export type CiliumEgressRule = CiliumEgressPeers & {
  readonly toFQDNs?: readonly CiliumFqdn[];
  readonly toPorts?: readonly CiliumPortRule[];
  readonly icmps?: readonly CiliumIcmpRule[];
  readonly authentication?: CiliumAuthentication;
};

export type CiliumIngressDenyRule = CiliumIngressPeers & {
  readonly toPorts?: readonly CiliumPortDenyRule[];
  readonly icmps?: readonly CiliumIcmpRule[];
};

export type CiliumEgressDenyRule = CiliumEgressPeers & {
  readonly toPorts?: readonly CiliumPortDenyRule[];
  readonly icmps?: readonly CiliumIcmpRule[];
};

/** Exactly one of cidr, cidrGroupRef and cidrGroupSelector. */
export type CiliumCidrRule = {
  readonly cidr?: string;
  readonly cidrGroupRef?: string;
  readonly cidrGroupSelector?: LabelSelector;
  readonly except?: readonly string[];
};

export type CiliumServicePeer = {
  readonly k8sService?: { readonly serviceName: string; readonly namespace?: string };
  readonly k8sServiceSelector?: { readonly selector: LabelSelector; readonly namespace?: string };
};

export type CiliumFqdn = { readonly matchName?: string; readonly matchPattern?: string };

export type CiliumPort = {
  /** A number or a name, as text. */
  readonly port: string;
  readonly endPort?: number;
  readonly protocol?: string;
};

export type CiliumPortDenyRule = { readonly ports?: readonly CiliumPort[] };

export type CiliumPortRule = CiliumPortDenyRule & {
  readonly rules?: CiliumL7Rules;
  readonly serverNames?: readonly string[];
  readonly terminatingTLS?: object;
  readonly originatingTLS?: object;
  readonly listener?: {
    readonly envoyConfig: { readonly kind?: string; readonly name: string };
    readonly name: string;
    readonly priority?: number;
  };
};

export type CiliumL7Rules = {
  readonly http?: readonly CiliumHttpRule[];
  readonly kafka?: readonly object[];
  readonly dns?: readonly CiliumFqdn[];
  readonly l7proto?: string;
  readonly l7?: readonly Readonly<Record<string, string>>[];
};

export type CiliumHttpRule = {
  readonly path?: string;
  readonly method?: string;
  readonly host?: string;
  readonly headers?: readonly string[];
  readonly headerMatches?: readonly object[];
};

export type CiliumIcmpRule = {
  readonly fields?: readonly {
    readonly family?: "IPv4" | "IPv6";
    /** A number, or the type's CamelCase name. */
    readonly type: number | string;
  }[];
};

export type CiliumCidrGroup = KubeObject & {
  readonly spec: { readonly externalCIDRs: readonly string[] };
};

export type ClusterNetworkPolicy = KubeObject & {
  readonly spec: {
    readonly tier: "Admin" | "Baseline";
    /** 0-1000, lower first. */
    readonly priority: number;
    readonly subject: ClusterNetworkPolicySubject;
    readonly ingress?: readonly ClusterNetworkPolicyIngressRule[];
    readonly egress?: readonly ClusterNetworkPolicyEgressRule[];
  };
  readonly status?: { readonly conditions?: readonly Condition[] };
};

/** Exactly one of them. */
export type ClusterNetworkPolicySubject = {
  readonly namespaces?: LabelSelector;
  readonly pods?: NamespacedPods;
};

export type NamespacedPods = {
  readonly namespaceSelector?: LabelSelector;
  readonly podSelector: LabelSelector;
};

type ClusterNetworkPolicyRule = {
  readonly name?: string;
  readonly action: "Accept" | "Deny" | "Pass";
  readonly protocols?: readonly ClusterNetworkPolicyProtocol[];
};

export type ClusterNetworkPolicyIngressRule = ClusterNetworkPolicyRule & {
  readonly from: readonly ClusterNetworkPolicySubject[];
};

export type ClusterNetworkPolicyEgressRule = ClusterNetworkPolicyRule & {
  readonly to: readonly ClusterNetworkPolicyEgressPeer[];
};

/** Exactly one of them. */
export type ClusterNetworkPolicyEgressPeer = ClusterNetworkPolicySubject & {
  readonly nodes?: LabelSelector;
  readonly networks?: readonly string[];
  readonly domainNames?: readonly string[];
};

type ClusterNetworkPolicyPorts = {
  readonly destinationPort?: {
    readonly number?: number;
    readonly range?: { readonly start: number; readonly end: number };
  };
};

/** Exactly one of them. */
export type ClusterNetworkPolicyProtocol = {
  readonly tcp?: ClusterNetworkPolicyPorts;
  readonly udp?: ClusterNetworkPolicyPorts;
  readonly sctp?: ClusterNetworkPolicyPorts;
  readonly destinationNamedPort?: string;
};
