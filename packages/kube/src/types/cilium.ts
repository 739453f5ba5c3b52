// The cilium.io/v2 resources of this foundation: names and fields are Cilium's.
import type { KubeObject } from "./meta.ts";

export type CiliumNodeAddress = {
  /** "InternalIP", "ExternalIP", "CiliumInternalIP" (the node's router address). */
  readonly type: string;
  readonly ip: string;
};

export type CiliumNode = KubeObject & {
  readonly spec?: {
    readonly addresses?: readonly CiliumNodeAddress[];
    readonly ipam?: {
      readonly podCIDRs?: readonly string[];
      readonly pool?: Readonly<
        Record<string, { readonly owner?: string; readonly resource?: string }>
      >;
    };
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
    };
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

/** metadata.name is the identity's number in decimal. */
export type CiliumIdentity = KubeObject & {
  /** Labels as "source:key" -> value. */
  readonly "security-labels": Readonly<Record<string, string>>;
};
