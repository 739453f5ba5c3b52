// Addresses handed out to pods.
import type { Address } from "@tsilium/net";

export type Allocation = {
  readonly address: Address;
  /** "ns/pod" or "router", "health". */
  readonly owner: string;
  /** Epoch ms after which an allocation whose CNI ADD never completed is released; undefined: permanent. */
  readonly expiresAtMs: number | undefined;
  readonly expirationId: string | undefined;
};

/** A pair of addresses, one per enabled family. */
export type AddressPair = { readonly ipv4: Address | undefined; readonly ipv6: Address | undefined };
