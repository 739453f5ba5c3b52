// Where an attachment's addresses come from: the agent's own pools, another plugin that it runs, or the plugin before it
// in the list, whose interface is taken over with the addresses on it.
import {
  type AddRequest,
  type ChainedInterface,
  CniError,
  cniCode,
  findChained,
} from "@tsilium/endpoint";
import type { Delegation } from "@tsilium/endpoint/model.ts";
import type { Address, Family } from "@tsilium/net";
import type {
  AddressPair,
  AllocateOptions,
  ExpiringPair,
  IpamMode,
  PoolChoice,
} from "@tsilium/ipam/model.ts";
import { delegatedAdd, delegatedDelete } from "./delegated.ts";

/** Who hands out addresses. */
export type Addresses = {
  readonly mode: IpamMode;
  /** Holds a free address of each family until it is confirmed. @throws IpamError pool_exhausted */
  allocate(owner: string, options: AllocateOptions): Promise<ExpiringPair>;
  /** Records whose an address is that somebody else handed out. @throws IpamError address_in_use */
  restore(address: Address, owner: string): void;
  confirm(expirationId: string): boolean;
  releasePair(pair: AddressPair): void;
};

export type LeaseOptions = {
  readonly addresses: Addresses;
  /** Every pod has an address of each. */
  readonly families: readonly Family[];
  /** Of attachments whose configuration does not say. */
  readonly chainingMode: "none" | "generic-veth";
  /** Why an address that somebody else handed out cannot be this pod's; undefined: it can. */
  readonly whyForeign: (address: Address, owner: string) => string | undefined;
};

export type Lease = {
  readonly pair: AddressPair;
  /** The interface that is there already; undefined: it is to be made. */
  readonly chained?: ChainedInterface;
  readonly delegation?: Delegation;
  /** ADD is done: the addresses stay. */
  confirm(): void;
  /** ADD failed: they go back. */
  undo(): Promise<void>;
};

/** @throws CniError, IpamError, EndpointError, the signal's reason; nothing is held then */
export async function takeLease(
  request: AddRequest,
  owner: string,
  options: LeaseOptions & { readonly pool: PoolChoice | undefined; readonly signal: AbortSignal },
): Promise<Lease> {
  const { config } = request;
  const { addresses, chainingMode, pool, signal } = options;
  if ((config.chainingMode ?? chainingMode) === "generic-veth")
    return chainedLease(request, owner, options);
  refusePrevious(request);
  if (addresses.mode === "delegated-plugin") return delegatedLease(request, owner, options);
  if (config.ipamType !== undefined) {
    throw new CniError(cniCode.unsupportedField, `ipam.type: ${JSON.stringify(config.ipamType)}`, {
      details: `the agent hands out addresses itself (ipam: ${addresses.mode}); remove ipam from the configuration, or run the agent with ipam: delegated-plugin`,
    });
  }
  const pair = await addresses.allocate(owner, { signal, ...(pool ? { pool } : {}) });
  return {
    pair,
    confirm: () => void addresses.confirm(pair.expirationId),
    undo: async () => addresses.releasePair(pair),
  };
}

/** The plugin that handed out an attachment's addresses; undefined: the agent did, or the plugin before it. */
export function delegationOf({
  config,
  invocation,
}: Pick<AddRequest, "config" | "invocation">): Delegation | undefined {
  const { ipamType: type } = config;
  return type === undefined ? undefined : { type, ...invocation };
}

async function delegatedLease(
  request: AddRequest,
  owner: string,
  { families, signal, ...rest }: LeaseOptions & { readonly signal: AbortSignal },
): Promise<Lease> {
  const delegation = delegationOf(request);
  if (!delegation) {
    throw new CniError(cniCode.invalidConfig, "ipam.type is missing", {
      details: "the agent runs with ipam: delegated-plugin; the configuration names the plugin",
    });
  }
  const { attachment, netns } = request;
  const giveBack = () => delegatedDelete(delegation, { attachment, netns });
  try {
    const given = await delegatedAdd(delegation, { attachment, netns, signal });
    const pair = onlyOf(given, families);
    requireAll(pair, families, delegation.type);
    record(pair, owner, rest);
    return {
      pair,
      delegation,
      confirm: () => undefined,
      undo: async () => {
        rest.addresses.releasePair(pair);
        await giveBack();
      },
    };
  } catch (error) {
    // Whatever it gave before it failed is not ours to keep.
    await giveBack().catch(() => undefined);
    throw error;
  }
}

function chainedLease(
  request: AddRequest,
  owner: string,
  { families, ...rest }: LeaseOptions,
): Lease {
  const { attachment, netns, config } = request;
  if (!config.previousResult) {
    throw new CniError(cniCode.invalidConfig, "prevResult is missing", {
      details: "chaining-mode generic-veth: another plugin comes before this one in the list",
    });
  }
  const chained = findChained(netns, attachment.ifName);
  const first = (family: Family) => chained.addresses.find((each) => each.family === family);
  const pair = onlyOf({ ipv4: first(4), ipv6: first(6) }, families);
  if (!pair.ipv4 && !pair.ipv6) {
    throw new CniError(cniCode.invalidConfig, `${attachment.ifName} has no address`, {
      details: `of a family that is enabled (${families.map((family) => `IPv${family}`).join(", ")})`,
    });
  }
  record(pair, owner, rest);
  return {
    pair,
    chained,
    confirm: () => undefined,
    undo: async () => rest.addresses.releasePair(pair),
  };
}

function refusePrevious({ config }: AddRequest): void {
  if (!config.previousResult) return;
  throw new CniError(cniCode.unsupportedField, "prevResult: set", {
    details:
      "tsilium-cni makes the interface itself and comes first in a list of plugins; to follow another one set chaining-mode: generic-veth",
  });
}

/** All or nothing. */
function record(
  { ipv4, ipv6 }: AddressPair,
  owner: string,
  { addresses, whyForeign }: Pick<LeaseOptions, "addresses" | "whyForeign">,
): void {
  for (const address of [ipv4, ipv6]) {
    const why = address && whyForeign(address, owner);
    if (why === undefined) continue;
    throw new CniError(cniCode.ipamPluginFailed, "the address cannot be this pod's", {
      details: `${why}: see the ranges of the plugin that handed it out`,
    });
  }
  if (ipv4) addresses.restore(ipv4, owner);
  try {
    if (ipv6) addresses.restore(ipv6, owner);
  } catch (error) {
    addresses.releasePair({ ipv4, ipv6: undefined });
    throw error;
  }
}

function onlyOf({ ipv4, ipv6 }: AddressPair, families: readonly Family[]): AddressPair {
  return {
    ipv4: families.includes(4) ? ipv4 : undefined,
    ipv6: families.includes(6) ? ipv6 : undefined,
  };
}

function requireAll({ ipv4, ipv6 }: AddressPair, families: readonly Family[], type: string): void {
  const missing = families.filter((family) => !(family === 4 ? ipv4 : ipv6));
  if (missing.length === 0) return;
  const listed = missing.map((family) => `IPv${family}`).join(" and ");
  throw new CniError(
    cniCode.ipamPluginFailed,
    `the IPAM plugin ${type} gave no ${listed} address`,
    {
      details: `give it ranges of that family, or switch the family off (enable-ipv4, enable-ipv6)`,
    },
  );
}
