// A cloud as IPAM sees it: machines, their network interfaces, and the subnets that interfaces take addresses from.
// Words are AWS's, which other clouds' can be told in.
import type { Address, Mac, Prefix } from "@tsilium/net";

export type Tags = Readonly<Record<string, string>>;

/** A machine. */
export type Instance = {
  readonly id: string;
  /** m5.large, ... */
  readonly type: string;
  readonly vpcId: string;
  readonly subnetId: string;
  readonly availabilityZone: string;
  readonly tags: Tags;
};

/** How many interfaces an instance of a type may have, and how much each of them may hold. */
export type InstanceLimits = {
  readonly type: string;
  readonly interfaces: number;
  /** Per interface, its primary address included. A /28 prefix takes the place of one address. */
  readonly ipv4PerInterface: number;
  readonly ipv6PerInterface: number;
  /** Whether interfaces can be given prefixes: Nitro and bare metal only. */
  readonly prefixes: boolean;
};

export type Subnet = {
  readonly id: string;
  readonly vpcId: string;
  readonly cidr: Prefix;
  readonly availabilityZone: string;
  /** Addresses nobody has. */
  readonly available: number;
  readonly tags: Tags;
};

export type Vpc = {
  readonly id: string;
  readonly primaryCidr: Prefix;
  /** IPv4 ranges, the primary one included. */
  readonly cidrs: readonly Prefix[];
};

export type SecurityGroup = { readonly id: string; readonly vpcId: string; readonly tags: Tags };

/** available: of nobody. */
export type InterfaceState = "available" | "associated" | "attaching" | "in-use" | "detaching";

/** An elastic network interface. */
export type NetworkInterface = {
  readonly id: string;
  readonly mac: Mac;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly availabilityZone: string;
  readonly description: string;
  readonly state: InterfaceState;
  /** The interface's own, which never goes. */
  readonly primary: Address;
  /** Secondary private IPv4 addresses, those of `prefixes` not among them. */
  readonly secondary: readonly Address[];
  /** Delegated IPv4 prefixes, /28. */
  readonly prefixes: readonly Prefix[];
  readonly securityGroups: readonly string[];
  readonly tags: Tags;
  readonly attachment:
    | {
        readonly id: string;
        readonly instanceId: string;
        /** 0: what the instance was made with. */
        readonly deviceIndex: number;
        readonly deleteOnTermination: boolean;
      }
    | undefined;
};

/** What to give an interface beside what it has: so many addresses, or so many /28 prefixes. */
export type Grant =
  | { readonly kind: "addresses"; readonly count: number }
  | { readonly kind: "prefixes"; readonly count: number };

export type NewInterface = {
  readonly subnetId: string;
  readonly securityGroups: readonly string[];
  readonly description: string;
  readonly tags: Tags;
  readonly grant: Grant;
  /** The same token twice makes one interface. */
  readonly clientToken: string;
};

export type AttachRequest = {
  readonly interfaceId: string;
  readonly instanceId: string;
  readonly deviceIndex: number;
};

/** What is asked of every read: those alone that have all of these tags. Empty: all. */
export type ReadOptions = { readonly tags?: Tags; readonly signal: AbortSignal };

/** What an interface got or lost. */
export type Holdings = Pick<NetworkInterface, "secondary" | "prefixes">;

/**
 * What IPAM needs of a cloud. Reads answer all there is (pages are the implementation's business) and may lag behind
 * writes: whoever wrote knows better for a while. Calls are retried when the cloud is busy, and otherwise fail at once
 * with a CloudError; a call that failed may have been carried out where its code is "unavailable".
 */
export type Cloud = Disposable & {
  instances(options: ReadOptions): Promise<Instance[]>;
  /** Types that the cloud does not know are left out. */
  limits(types: readonly string[], signal: AbortSignal): Promise<InstanceLimits[]>;
  subnets(options: ReadOptions & { readonly ids?: readonly string[] }): Promise<Subnet[]>;
  vpcs(signal: AbortSignal): Promise<Vpc[]>;
  securityGroups(signal: AbortSignal): Promise<SecurityGroup[]>;
  interfaces(
    options: ReadOptions & { readonly state?: InterfaceState; readonly vpcId?: string },
  ): Promise<NetworkInterface[]>;

  /** @throws CloudError no_addresses, no_prefixes, limit_exceeded, not_found */
  createInterface(request: NewInterface, signal: AbortSignal): Promise<NetworkInterface>;
  /** Answers the attachment's id. @throws CloudError index_in_use, limit_exceeded, not_found */
  attachInterface(request: AttachRequest, signal: AbortSignal): Promise<string>;
  /** Has an interface go when its instance does. */
  deleteOnTermination(
    target: { readonly interfaceId: string; readonly attachmentId: string },
    signal: AbortSignal,
  ): Promise<void>;
  /** Fine when it is gone. @throws CloudError in_use */
  deleteInterface(interfaceId: string, signal: AbortSignal): Promise<void>;
  /** Answers what the interface got. @throws CloudError no_addresses, no_prefixes, limit_exceeded, not_found */
  grant(interfaceId: string, grant: Grant, signal: AbortSignal): Promise<Holdings>;
  /** Takes addresses and prefixes away; those that it does not have are fine. @throws CloudError not_found */
  revoke(interfaceId: string, holdings: Holdings, signal: AbortSignal): Promise<void>;
};
