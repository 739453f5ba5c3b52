// The service map as it travels to the page: who is there, who talks to whom, and how much in each span of time.

/** What a node of the map stands for. */
export type MapNodeKind =
  | "workload"
  | "pod"
  | "service"
  /** DNS name outside of the cluster. */
  | "fqdn"
  /** Addresses that a policy tells apart, without a name. */
  | "cidr"
  /** world, host, remote-node, kube-apiserver, ... */
  | "reserved"
  | "unknown";

export type MapNode = {
  /** Says all that makes the node: also used to ask for its flows ("n/shop/Deployment/web", "reserved/world"). */
  readonly key: string;
  readonly kind: MapNodeKind;
  /** "" outside of namespaces. */
  readonly namespace: string;
  readonly name: string;
  /** "Deployment", "StatefulSet", ...; "" unless a workload. */
  readonly workloadKind: string;
};

export type MapEdge = {
  /** Numbers of nodes, in the order in which they were told. The one that opens the connection is the source. */
  readonly source: number;
  readonly destination: number;
  /** "TCP", "UDP", "SCTP", "ICMP", "HTTP", ...; "": not known. */
  readonly protocol: string;
  /** 0: none, or more than are worth telling apart. */
  readonly port: number;
};

/** Numbers per edge in a bucket: number of the edge, then these counts of flows. */
export const countsPerEdge = ["forwarded", "dropped", "audit", "error"] as const;
export const edgeStride = 1 + countsPerEdge.length;

/** Flows of one span of time: `edges` holds edgeStride numbers for each edge that had any. */
export type MapBucket = { readonly startMs: number; readonly edges: readonly number[] };

/** A service name that was seen to lead to a node. */
export type MapService = readonly [node: number, service: string];

/** A pod that was told as a node of its own, and the workload that it turned out to be of. */
export type MapSame = readonly [pod: number, workload: number];
