// Addresses handed out to pods.
import type { Address, Family, Prefix } from "@tsilium/net";

export type Allocation = {
  readonly address: Address;
  /** "ns/pod" or "router", "health". */
  readonly owner: string;
  /** Epoch ms after which an allocation whose CNI ADD never completed is released; undefined: permanent. */
  readonly expiresAtMs: number | undefined;
  readonly expirationId: string | undefined;
  /** Which pool it is of: "default" in modes that have no pools of their own. */
  readonly pool: string;
};

/** A pair of addresses, one per enabled family. */
export type AddressPair = {
  readonly ipv4: Address | undefined;
  readonly ipv6: Address | undefined;
};

/** A pair that goes back to the pool by itself unless it is confirmed in time. */
export type ExpiringPair = AddressPair & {
  readonly owner: string;
  readonly expirationId: string;
  /** Milliseconds since the epoch. */
  readonly expiresAtMs: number;
};

/** How full one family's pool is. */
export type PoolUsage = {
  /** "default" in modes that have no pools of their own. */
  readonly pool: string;
  readonly family: Family;
  readonly podCidrs: readonly Prefix[];
  readonly used: number;
  /** Addresses still free. */
  readonly available: bigint;
};

/** Values of the agent's key `ipam`. */
export const ipamModes = [
  "cluster-pool",
  "kubernetes",
  "multi-pool",
  "crd",
  "eni",
  "delegated-plugin",
] as const;
export type IpamMode = (typeof ipamModes)[number];

/** The pool of modes that have none of their own, and of pods that name none. */
export const defaultPool = "default";

/** Which pool each family's address is to come from; a family that is not named: the default pool. */
export type PoolChoice = { readonly ipv4?: string; readonly ipv6?: string };

export type AllocateOptions = {
  readonly pool?: PoolChoice;
  /** Ends the wait for addresses that are on their way to this node. */
  readonly signal?: AbortSignal;
};

/**
 * Who hands out the addresses of a node's pods: one implementation per mode, chosen in apps/agent/src/ipam/start.ts.
 *
 * Taking an address is synchronous inside each implementation, so that no two callers ever get the same; `allocate` is a
 * promise because some modes wait for a cloud or for the operator to bring addresses first. Disposing stops timers and
 * watches, and gives nothing back: pods keep what they have over the agent's restarts.
 */
export type Ipam = Disposable & {
  readonly mode: IpamMode;
  /**
   * Ranges (single addresses as /32 and /128) that this node's pods may have addresses of, as they are now. Not fixed:
   * `onChange` tells. Routes to pods follow it.
   */
  readonly podCidrs: readonly Prefix[];

  /**
   * A free address of every enabled family, held until `confirm` makes it permanent or its time is over. All or
   * nothing. May wait a few seconds for addresses that have been asked for.
   * @throws IpamError pool_exhausted (its message says what to do); the signal's reason
   */
  allocate(owner: string, options?: AllocateOptions): Promise<ExpiringPair>;
  /** This very address, permanently: the router's, health's. @throws IpamError address_in_use, not_in_pool */
  allocateAddress(address: Address, owner: string): void;
  /**
   * The address of an endpoint that was here before the agent was. It is held even where it is in no pool (any more, or
   * not yet): a pod lives with it. @throws IpamError address_in_use
   */
  restore(address: Address, owner: string): void;
  /** All endpoints there were have been restored: what no address is used of may be given back from now on. */
  restored(): void;
  /** The CNI ADD is done: the pair stays until it is released. False when its time was over already. */
  confirm(expirationId: string): boolean;
  /** Gives an address back, held or permanent. Idempotent: false when nobody had it. */
  release(address: Address): boolean;
  /** Gives both addresses of a pair back. */
  releasePair(pair: AddressPair): void;

  ownerOf(address: Address): string | undefined;
  /** Every address that somebody has, IPv4 first, in numeric order. */
  dump(): readonly Allocation[];
  /** Per pool and family, for status and metrics. */
  usage(): readonly PoolUsage[];
  /** Why ADD cannot be served, or what is about to go wrong, in words for `status`; undefined: nothing. */
  problem(): IpamProblem | undefined;
  /** Told after `podCidrs`, or who has what, may have changed. Called synchronously: do little. */
  onChange(listener: () => void): Disposable;
};

export type IpamProblem = {
  /** False: pods can still be added. */
  readonly blocksAdd: boolean;
  /** What is wrong and what to do about it. */
  readonly message: string;
};
