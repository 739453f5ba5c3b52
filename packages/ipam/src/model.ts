// Addresses handed out to pods.
import type { Address, Family, Prefix } from "@tsilium/net";

export type Allocation = {
  readonly address: Address;
  /** "ns/pod" or "router", "health". */
  readonly owner: string;
  /** Epoch ms after which an allocation whose CNI ADD never completed is released; undefined: permanent. */
  readonly expiresAtMs: number | undefined;
  readonly expirationId: string | undefined;
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
  readonly family: Family;
  readonly podCidrs: readonly Prefix[];
  readonly used: number;
  /** Addresses still free. */
  readonly available: bigint;
};
