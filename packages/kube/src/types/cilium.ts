// The cilium.io/v2 resources of this foundation: names and fields are Cilium's.
import type { CiliumNodeEni, CiliumNodeEniSpec } from "./eni.ts";
import type { KubeObject, LabelSelector } from "./meta.ts";

export type CiliumNodeAddress = {
  /** "InternalIP", "ExternalIP", "CiliumInternalIP" (the node's router address). */
  readonly type: string;
  readonly ip: string;
};

export type CiliumNodePoolRequest = {
  readonly pool: string;
  readonly needed?: { readonly "ipv4-addrs"?: number; readonly "ipv6-addrs"?: number };
};

export type CiliumNodePoolAllocation = {
  readonly pool: string;
  readonly cidrs?: readonly string[];
};

export type CiliumNode = KubeObject & {
  readonly spec?: {
    readonly addresses?: readonly CiliumNodeAddress[];
    readonly ipam?: {
      readonly podCIDRs?: readonly string[];
      readonly pool?: Readonly<
        Record<string, { readonly owner?: string; readonly resource?: string }>
      >;
      readonly pools?: {
        /** What the agent needs: the operator answers with CIDRs in `allocated`. */
        readonly requested?: readonly CiliumNodePoolRequest[];
        /** The operator adds; the agent takes away what it gives back. */
        readonly allocated?: readonly CiliumNodePoolAllocation[];
      };
      readonly "min-allocate"?: number;
      readonly "max-allocate"?: number;
      readonly "pre-allocate"?: number;
      readonly "max-above-watermark"?: number;
    };
    readonly eni?: CiliumNodeEniSpec;
    readonly "instance-id"?: string;
    readonly encryption?: { readonly key?: number };
    readonly health?: { readonly ipv4?: string; readonly ipv6?: string };
    readonly ingress?: { readonly ipv4?: string; readonly ipv6?: string };
    readonly nodeidentity?: number;
    readonly bootid?: string;
  };
  readonly status?: {
    readonly ipam?: {
      readonly used?: Readonly<Record<string, object>>;
      readonly "operator-status"?: { readonly error?: string };
      /** Addresses that the operator wants back, and what became of it. */
      readonly "release-ips"?: Readonly<Record<string, string>>;
    };
    readonly eni?: { readonly enis?: Readonly<Record<string, CiliumNodeEni>> };
  };
};

export type CiliumEndpoint = KubeObject & {
  readonly status?: {
    readonly id?: number;
    readonly identity?: { readonly id: number; readonly labels?: readonly string[] };
    readonly networking?: {
      readonly addressing: readonly { readonly ipv4?: string; readonly ipv6?: string }[];
      /** Address of the node that holds the endpoint. */
      readonly node?: string;
    };
    readonly encryption?: { readonly key?: number };
    readonly "external-identifiers"?: Readonly<Record<string, string>>;
    readonly "named-ports"?: readonly {
      readonly name?: string;
      readonly port?: number;
      readonly protocol?: string;
    }[];
    readonly policy?: {
      readonly ingress?: { readonly enforcing: boolean; readonly state?: string };
      readonly egress?: { readonly enforcing: boolean; readonly state?: string };
    };
    readonly health?: Readonly<Record<string, string>>;
    readonly state?: string;
    readonly "service-account"?: string;
  };
};

export type CiliumNodeConfig = KubeObject & {
  readonly spec?: {
    /** Keys of the agent's configuration. */
    readonly defaults?: Readonly<Record<string, string>>;
    readonly nodeSelector?: LabelSelector;
  };
};

/** metadata.name is the identity's number in decimal. */
export type CiliumIdentity = KubeObject & {
  /** Labels as "source:key" -> value. */
  readonly "security-labels": Readonly<Record<string, string>>;
};

/** Where one family's CIDRs of a pool come from. */
export type CiliumPodIPPoolFamily = {
  readonly cidrs?: readonly string[];
  /** Length of the CIDR that a node gets at a time. */
  readonly maskSize?: number;
};

export type CiliumPodIPPool = KubeObject & {
  readonly spec?: {
    readonly ipv4?: CiliumPodIPPoolFamily;
    readonly ipv6?: CiliumPodIPPoolFamily;
  };
};
