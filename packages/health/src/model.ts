// Whether the nodes of the cluster reach each other: what is probed, and what came of it.
import type { Address } from "@tsilium/net";

/** A node as it is probed. Addresses: at most one of each family. */
export type HealthTarget = {
  readonly name: string;
  readonly local: boolean;
  /** Of the node itself. */
  readonly host: readonly Address[];
  /** Of its health endpoint, a pod's network without a pod; empty where it has none. */
  readonly endpoint: readonly Address[];
};

/** What came of one probe: an answer after so many milliseconds, or why there was none. */
export type ProbeResult = { readonly at: Date } & (
  | { readonly latencyMs: number }
  | { readonly problem: string }
);

export type Protocol = "icmp" | "http";

/** One address of a node. A probe that has not been made yet is undefined. */
export type PathHealth = {
  readonly address: Address;
  readonly icmp: ProbeResult | undefined;
  readonly http: ProbeResult | undefined;
};

export type NodeHealth = {
  readonly name: string;
  readonly local: boolean;
  readonly host: readonly PathHealth[];
  readonly endpoint: readonly PathHealth[];
};

/** Cilium's words: unknown until every probe was made once. */
export type Connectivity = "reachable" | "unreachable" | "unknown";
