// What CiliumNode says in AWS's ENI mode: names and fields are Cilium's.

/** spec.eni: written by the node's agent, read by the operator. */
export type CiliumNodeEniSpec = {
  readonly "instance-type"?: string;
  readonly "vpc-id"?: string;
  readonly "availability-zone"?: string;
  readonly "node-subnet-id"?: string;
  readonly "first-interface-index"?: number;
  readonly "subnet-ids"?: readonly string[];
  readonly "subnet-tags"?: Readonly<Record<string, string>>;
  readonly "security-groups"?: readonly string[];
  readonly "security-group-tags"?: Readonly<Record<string, string>>;
  readonly "exclude-interface-tags"?: Readonly<Record<string, string>>;
  readonly "delete-on-termination"?: boolean;
  readonly "use-primary-address"?: boolean;
  readonly "disable-prefix-delegation"?: boolean;
};

/** An entry of status.eni.enis: written by the operator, read by the node's agent. */
export type CiliumNodeEni = {
  readonly id?: string;
  readonly ip?: string;
  readonly mac?: string;
  readonly "availability-zone"?: string;
  readonly description?: string;
  /** Device index. */
  readonly number?: number;
  readonly subnet?: { readonly id?: string; readonly cidr?: string };
  readonly vpc?: {
    readonly id?: string;
    readonly "primary-cidr"?: string;
    readonly cidrs?: readonly string[];
  };
  readonly addresses?: readonly string[];
  readonly prefixes?: readonly string[];
  readonly "security-groups"?: readonly string[];
  readonly tags?: Readonly<Record<string, string>>;
};
