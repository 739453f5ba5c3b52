// Endpoints: the pods of this node.
import type { Address, Labels, Mac } from "@tsilium/net";

/** Cilium's endpoint states. */
export type EndpointState =
  | "creating"
  | "waiting-for-identity"
  | "not-ready"
  | "waiting-to-regenerate"
  | "regenerating"
  | "restoring"
  | "ready"
  | "disconnecting"
  | "disconnected"
  | "invalid";

/** How one direction of an endpoint's policy is. audit: it would be enforced, were it not for audit mode. */
export type PolicyEnforcement = "disabled" | "enforcing" | "audit";

/** The policy that an endpoint is held to. */
export type EndpointPolicy = {
  /** The subject that its row in the kernel names: an index into tsi_policy_subject. */
  readonly subject: number;
  /** Whose policy it is: the endpoint's identity, or, while a new one's is being made, the one before. */
  readonly identity: number;
  readonly ingress: PolicyEnforcement;
  readonly egress: PolicyEnforcement;
};

/** The plugin that handed out an endpoint's addresses, and how it was run: so it is run again to take them back. */
export type Delegation = {
  readonly type: string;
  readonly path: string;
  readonly args: string;
  readonly netconf: string;
};

export type Endpoint = {
  /** Node-unique, 1-65535; kept over agent restarts. */
  readonly id: number;
  readonly state: EndpointState;
  readonly containerId: string;
  /** The pod's interface inside its namespace, "eth0". */
  readonly containerInterface: string;
  /** Name of the CNI network that attached it; CNI's GC looks at one network only. */
  readonly network: string;
  /** Host-side veth. */
  readonly interfaceName: string;
  readonly ifindex: number;
  /** True: the interface is another plugin's, which this endpoint took over; it is not ours to remove. */
  readonly chained?: boolean | undefined;
  /** undefined: the agent handed out its addresses. */
  readonly delegation?: Delegation | undefined;
  readonly netns: string;
  /** SO_NETNS_COOKIE of that namespace; 0n: not known yet. */
  readonly netnsCookie: bigint;
  readonly mac: Mac;
  readonly nodeMac: Mac;
  readonly ipv4: Address | undefined;
  readonly ipv6: Address | undefined;
  /** Empty, as podName and podUid, for a container that is no pod. */
  readonly namespace: string;
  readonly podName: string;
  readonly podUid: string;
  readonly labels: Labels;
  /** 0 until known; reserved:init (5) while the pod has no labels. */
  readonly identity: number;
  /** undefined until the kernel holds a policy for it. Not on disk: a restart makes it anew. */
  readonly policy?: EndpointPolicy | undefined;
  readonly createdAt: string;
  /** When CNI ADD was done; undefined before. An endpoint found without it after a crash is undone. */
  readonly attachedAt: string | undefined;
};
