// Names and the addresses that DNS gave for them: what is kept, what is decided, what is refused.
import type { Address, DnsPattern } from "@tsilium/net";

/** What a rule's `toFQDNs` says: an exact name or a pattern. */
export type FqdnSelector = DnsPattern;

/** An answer that some pod of this node was given, from a question that policy let through. */
export type Lookup = {
  /** Endpoint that asked; 0: it was no pod of this node, or is none any more. */
  readonly endpoint: number;
  /** As asked, lower case, without the final dot. */
  readonly name: string;
  /** CNAMEs that led to the addresses, in order. */
  readonly aliases: readonly string[];
  readonly addresses: readonly { readonly address: Address; readonly ttlS: number }[];
  /** UNIX milliseconds. */
  readonly atMs: number;
};

/** That one endpoint learned one address of one name. */
export type NameEntry = {
  readonly endpoint: number;
  readonly name: string;
  readonly address: string;
  /** The name was asked for; otherwise it was an alias on the way to the address. */
  readonly asked: boolean;
  /** CNAMEs of the last answer. */
  readonly aliases: readonly string[];
  /** Of the last answer. UNIX milliseconds. */
  readonly lookedUpMs: number;
  readonly ttlS: number;
  /** Of the answer that lasts longest. */
  readonly expiresMs: number;
  /** Its time is over, and a connection to the address was seen at the last look. */
  readonly connected: boolean;
};

/** How much is kept, and for how long at least and at most. */
export type CacheLimits = {
  /** tofqdns-min-ttl */
  readonly minTtlS: number;
  readonly maxTtlS: number;
  /** tofqdns-endpoint-max-ip-per-hostname: addresses of one name, for one endpoint, whose time is not over. */
  readonly addressesPerName: number;
  /** tofqdns-max-deferred-connection-deletes: addresses of one endpoint whose time is over. */
  readonly deferredPerEndpoint: number;
  /** All that one endpoint learned. */
  readonly entriesPerEndpoint: number;
  readonly entries: number;
};

export const defaultLimits: CacheLimits = {
  minTtlS: 0,
  maxTtlS: 7 * 24 * 3600,
  addressesPerName: 1000,
  deferredPerEndpoint: 10_000,
  entriesPerEndpoint: 30_000,
  entries: 200_000,
};

/** What a round of collecting did. */
export type Collected = {
  /** Names (of an endpoint) that lost addresses. */
  readonly names: number;
  /** Addresses that went because their time was over and nobody was connected. */
  readonly expired: number;
  /** Addresses with a connection that went all the same: too many were kept for that. */
  readonly givenUp: number;
};

/** Why an address is nobody's by its name. */
export type RefusalReason =
  | "unspecified"
  | "loopback"
  | "link-local"
  | "multicast"
  | "broadcast"
  | "cloud metadata"
  /** IPv6 addresses that hold an IPv4 address, which another protocol would be spoken to. */
  | "IPv4 in IPv6"
  | "address of a node"
  | "address of the API server"
  | "address of the cluster"
  | "pod address"
  | "service address";

/** An address that some selector matches by its name, and that nothing is allowed by. */
export type Refusal = {
  readonly address: string;
  readonly name: string;
  readonly reason: RefusalReason;
};

/** One address has names that selectors match and names that none does: what the first allow reaches the others too. */
export type SharedAddress = {
  readonly address: string;
  readonly allowed: string;
  readonly other: string;
};

/** What an address is from now on. */
export type AddressChange = {
  readonly address: Address;
  /** Keys of the selectors that match its names, sorted; undefined: none does, or it is refused. */
  readonly selectors: readonly string[] | undefined;
  /** One of those names. */
  readonly name: string | undefined;
};
