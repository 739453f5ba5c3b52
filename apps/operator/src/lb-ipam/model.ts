// The rows that load-balancer addresses are decided from and to: pools, services that want addresses, what they get.
import type { Address, Family } from "@tsilium/net";
import type { IpRange } from "./range.ts";

/** A block of a pool. */
export type PoolRange = IpRange & {
  /** Its first and last address are not given out. */
  readonly endsReserved: boolean;
};

export type Pool = {
  readonly name: string;
  /** RFC 3339; of pools that overlap the older one stands. */
  readonly createdAt: string;
  /** In order of use. */
  readonly ranges: readonly PoolRange[];
  /** Whether services with these labels may have its addresses. */
  readonly selects: (labels: Labels) => boolean;
  /** Gives nothing more; what it gave stays. */
  readonly disabled: boolean;
  /** What of it cannot be used. */
  readonly problems: readonly PoolProblem[];
};

/** Something in a pool that means nothing, and where. */
export type PoolProblem = { readonly path: string; readonly message: string };

export type Labels = Readonly<Record<string, string>>;

/** What a service asks for, and what decides with whom it may share an address. */
export type ServiceRequest = {
  /** "namespace/name" */
  readonly name: string;
  readonly namespace: string;
  /** RFC 3339: the older service is served first. */
  readonly createdAt: string;
  /** With its name and namespace under the keys that pools select by. */
  readonly labels: Labels;
  /** Families of which it wants one address each, unless it names addresses. */
  readonly families: readonly Family[];
  /** The addresses it names. */
  readonly requested: readonly Address[];
  /** What it names and is no address. */
  readonly unreadable: readonly string[];
  /** "": it shares with nobody. */
  readonly sharingKey: string;
  /** Further namespaces whose services it shares with; "*": all. */
  readonly crossNamespace: readonly string[];
  /** "TCP/80" */
  readonly ports: readonly string[];
  readonly externalTrafficPolicy: "Cluster" | "Local";
  readonly selector: Labels;
};

/** How a service came to be known: addresses that its status has already. */
export type Present = {
  readonly addresses: readonly Address[];
  /** Whether it was us who gave them: then they stay in pools that give nothing new, too. */
  readonly given: boolean;
};

/** Cilium's reasons, and those for what it does not tell apart. */
export type Reason =
  | "satisfied"
  | "no_pool"
  | "pool_selector_mismatch"
  | "out_of_ips"
  | "already_allocated"
  | "already_allocated_incompatible_service"
  /** A node's address, a pod's, a cluster IP, or the end of a block. */
  | "ip_reserved"
  | "ip_family_mismatch"
  | "invalid_ip";

export type Outcome = {
  /** In the order in which they were given. */
  readonly addresses: readonly Address[];
  readonly reason: Reason;
  readonly message: string;
};

/** What a pool's status tells. */
export type PoolState = {
  readonly pool: Pool;
  /** Why it gives nothing; undefined: it does not overlap. */
  readonly conflict: string | undefined;
  /** Addresses that it may give, given or not. */
  readonly total: bigint;
  readonly used: bigint;
  readonly available: bigint;
};
