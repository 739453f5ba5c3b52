// The terms of policy: what every kind of policy object becomes before it is compiled, what a compiler is told, and
// what it answers. Kinds differ in `parse/` alone; from here on a rule is a rule.
import type { DenyResponse, Direction } from "@tsilium/datapath/model.ts";
import type { Labels, Prefix } from "@tsilium/net";
import type { L7Rules } from "./l7-model.ts";

export type { Direction } from "@tsilium/datapath/model.ts";
export type * from "./l7-model.ts";
/** For engines without RE2. */
export { toPcre } from "./l7/pcre.ts";
export {
  owningNamespaceLabel,
  secretCopyLabels,
  secretCopyName,
  secretCopyOf,
} from "./l7/secret-copy.ts";

export type PolicyKind =
  | "NetworkPolicy"
  | "CiliumNetworkPolicy"
  | "CiliumClusterwideNetworkPolicy"
  | "ClusterNetworkPolicy";

/** The object that a rule comes from. */
export type PolicyRef = {
  readonly kind: PolicyKind;
  /** "" for objects without a namespace. */
  readonly namespace: string;
  readonly name: string;
};

/** A key for maps: "CiliumNetworkPolicy/shop/allow-web", "ClusterNetworkPolicy//deny-all". */
export function refKey({ kind, namespace, name }: PolicyRef): string {
  return `${kind}/${namespace}/${name}`;
}

/** One term of a selector. Semantics are Kubernetes': NotIn and DoesNotExist match labels that lack the key. */
export type Requirement = {
  /** "k8s", "reserved", "node", ...; "any" matches the key from every source. */
  readonly source: string;
  readonly key: string;
  readonly operator: "In" | "NotIn" | "Exists" | "DoesNotExist";
  /** Empty for Exists and DoesNotExist. */
  readonly values: readonly string[];
};

/** All must hold; none at all matches every set of labels. */
export type LabelSelector = readonly Requirement[];

/** Who may be at the other end. What a peer cannot name, it does not match. */
export type Peer =
  | { readonly kind: "labels"; readonly selector: LabelSelector }
  | {
      readonly kind: "cidr";
      readonly prefix: Prefix;
      /** Not matched, which is not the same as denied. */
      readonly except: readonly Prefix[];
      /**
       * "any": every address in the prefix, whoever has it (Kubernetes' ipBlock). "external": addresses outside the
       * cluster only, and those that `policy-cidr-match-mode` adds (Cilium's CIDR rules).
       */
      readonly scope: "any" | "external";
    }
  /** CiliumCIDRGroups by name or by their labels, each of whose prefixes is an "external" cidr peer. */
  | { readonly kind: "cidr-group"; readonly name: string; readonly except: readonly Prefix[] }
  | {
      readonly kind: "cidr-group-selector";
      readonly selector: LabelSelector;
      readonly except: readonly Prefix[];
    }
  /** Kubernetes Services: with a selector their pods, without one the addresses of their EndpointSlices. */
  | { readonly kind: "service"; readonly namespace: string; readonly name: string }
  | {
      readonly kind: "service-selector";
      /** undefined: services of every namespace. */
      readonly namespace: string | undefined;
      readonly selector: LabelSelector;
    }
  /** DNS names: the addresses that the DNS proxy saw for them. */
  | { readonly kind: "fqdn"; readonly matchName?: string; readonly matchPattern?: string };

/** IP protocol numbers that ports can be named for. */
export const portProtocols = { TCP: 6, UDP: 17, SCTP: 132 } as const;
export const icmpProtocols = { 4: 1, 6: 58 } as const;

export type PortMatch =
  /** All ports of a protocol: 0 to 65535. */
  | {
      readonly kind: "range";
      readonly protocol: number;
      readonly first: number;
      readonly last: number;
    }
  /** A container port's name. Ingress: of the selected pod; egress: of each peer. Unknown names match nothing. */
  | { readonly kind: "named"; readonly protocol: number; readonly name: string }
  | { readonly kind: "icmp"; readonly family: 4 | 6; readonly type: number };

export type Verdict = "allow" | "deny" | "pass";

export type Rule = {
  readonly direction: Direction;
  /** pass: the tiers below decide. */
  readonly verdict: Verdict;
  /** Any of them; undefined: whoever it is; empty: nobody. */
  readonly peers: readonly Peer[] | undefined;
  /** Any of them; undefined: every protocol and port; empty: none. */
  readonly ports: readonly PortMatch[] | undefined;
  /** Present: allowed only through a proxy; without one such a rule allows nothing. */
  readonly l7?: L7Rules;
  /** Where it stands in its object: "spec.ingress[0]", "specs[1].egressDeny[2].toPorts[0]". */
  readonly path: string;
};

/** Highest first. Within a tier a lower priority number comes first. */
export const tiers = ["admin", "normal", "baseline"] as const;
export type Tier = (typeof tiers)[number];

export type { DenyResponse } from "@tsilium/datapath/model.ts";

/** One `spec` of an object: whom it selects, and its rules. */
export type PolicySpec = {
  /** "spec", or "specs[0]" and so on. */
  readonly path: string;
  /** Endpoints, by their identity's labels; or, host policies, nodes. */
  readonly subject: { readonly kind: "endpoints" | "nodes"; readonly selector: LabelSelector };
  readonly tier: Tier;
  /** 0-1000 in the admin and baseline tiers, whose first matching rule decides; 0 in the normal tier. */
  readonly priority: number;
  /** Directions in which whom it selects is denied what no rule allows. */
  readonly defaultDeny: { readonly ingress: boolean; readonly egress: boolean };
  /** In order: it matters in the admin and baseline tiers. */
  readonly rules: readonly Rule[];
  readonly description?: string;
  readonly labels?: readonly string[];
  /** `log.value`: at most 32 characters that go into flows. */
  readonly log?: string;
};

/** A policy object, understood. */
export type Policy = {
  readonly ref: PolicyRef;
  readonly uid: string;
  readonly generation: number;
  readonly specs: readonly PolicySpec[];
  /** audit: whatever only this policy would deny is let through with verdict AUDIT. */
  readonly enforcement: "enforce" | "audit";
  /** What the sender of a denied packet hears; undefined: as the agent is configured. */
  readonly denyResponse: DenyResponse | undefined;
};

/** A named container port of a pod. Protocol is an IP protocol number. */
export type NamedPort = { readonly name: string; readonly protocol: number; readonly port: number };

/** An identity as a peer (and, as a subject, through its labels). */
export type PeerIdentity = {
  readonly id: number;
  readonly labels: Labels;
  /** Named ports of all endpoints with this identity. */
  readonly namedPorts: readonly NamedPort[];
};

/** What one or several local pods are held to: everything that can make two pods' policy differ. */
export type Subject = {
  /** Index into tsi_policy_subject; the caller's numbering, from 1 on. */
  readonly id: number;
  readonly identity: number;
  readonly labels: Labels;
  readonly namedPorts: readonly NamedPort[];
  /** Audit mode of the pod or its namespace: nothing is denied, what would be is verdict AUDIT. */
  readonly audit: boolean;
};

export type CidrGroup = {
  readonly name: string;
  readonly labels: Labels;
  readonly prefixes: readonly Prefix[];
};

/** A Service as far as `toServices` looks at it. */
export type PolicyService = {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Labels;
  /** undefined: it has no selector, and `backends` are its peers. */
  readonly selector: Readonly<Record<string, string>> | undefined;
  readonly backends: readonly Prefix[];
};

export type PolicySettings = {
  /** Cilium's enable-policy. never: reserved:init is enforced all the same. */
  readonly enablePolicy: "default" | "always" | "never";
  /** The node itself reaches its pods whatever their ingress policy allows; an explicit deny still wins. */
  readonly allowLocalhost: boolean;
  /** policy-cidr-match-mode: what "external" cidr peers match besides addresses outside the cluster. */
  readonly cidrMatchMode: readonly ("nodes" | "pods")[];
  /** policy-audit-mode: every subject is in audit mode. */
  readonly audit: boolean;
  /** policy-deny-response, of policies that do not say. */
  readonly denyResponse: DenyResponse;
  readonly clusterName: string;
  /** Proxies are there for L7 rules, which allow nothing otherwise. Default true. */
  readonly proxiesL7?: boolean;
};

/** A policy as the kernel holds it; docs/decisions/0006. */
export type {
  CidrClassEntry,
  ClassEntry,
  CompiledSlot,
  EntryVerdict,
  RuleEntry,
} from "@tsilium/datapath/model.ts";

/** What a rule looks at: the peer, or whoever it is; the port, or all of a protocol, or all there is. */
export type RuleMatch = {
  readonly peers: boolean;
  readonly ports: "any" | "protocol" | "port";
};

/** What a rule number stands for. */
export type RuleName =
  | {
      readonly kind: "rule";
      readonly ref: PolicyRef;
      readonly path: string;
      readonly matches?: RuleMatch;
      /** `log.value` of its spec. */
      readonly log?: string;
    }
  /** Nothing allowed it, and these objects (with the path of the spec) select the pod. */
  | {
      readonly kind: "default-deny";
      readonly by: readonly { readonly ref: PolicyRef; readonly path: string }[];
    }
  /** No rule was asked or none was needed: "enable-policy=never", "no policy selects it", "allow-localhost", "init". */
  | { readonly kind: "builtin"; readonly reason: string };
