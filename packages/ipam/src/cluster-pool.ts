// Addresses of both families for the pods of one node, from the pod CIDRs that the operator gave it.
//
//   allocateNext --> held, timer runs --confirm--> permanent --release--> resting --> free
//                        \--timer fires (the CNI ADD never ended)--------^
import { randomUUID } from "node:crypto";
import type { Address, Family, Prefix } from "@tsilium/net";
import { IpamError } from "./errors.ts";
import { FamilyPool, notInPool } from "./family-pool.ts";
import type { AddressPair, Allocation, ExpiringPair, PoolUsage } from "./model.ts";

export type ClusterPoolOptions = {
  /** The node's pod CIDRs. A family without one is a family that pods do not have. */
  readonly podCidrs: readonly Prefix[];
  /** How long `allocateNext` waits for `confirm`, milliseconds. Default 10 minutes, as in Cilium. */
  readonly expirationMs?: number;
  /** How long a freed address is not handed out again while others are free, milliseconds. Default 30 s. */
  readonly restMs?: number;
  /** Told of addresses that went back because nobody confirmed them. */
  readonly onExpired?: (pair: ExpiringPair) => void;
};

type Held = { readonly pair: ExpiringPair; readonly timer: NodeJS.Timeout };

/** Synchronous throughout: two callers never see the same free address. Disposing stops its timers. */
export class ClusterPool implements Disposable {
  readonly #options: ClusterPoolOptions;
  readonly #pools: ReadonlyMap<Family, FamilyPool>;
  readonly #allocated = new Map<string, { readonly address: Address; readonly owner: string }>();
  readonly #held = new Map<string, Held>();

  constructor(options: ClusterPoolOptions) {
    this.#options = options;
    this.#pools = new Map(
      ([4, 6] as const).flatMap((family) => {
        const podCidrs = options.podCidrs.filter((prefix) => prefix.family === family);
        const restMs = options.restMs ?? 30_000;
        return podCidrs.length === 0
          ? []
          : [[family, new FamilyPool({ family, podCidrs, restMs })] as const];
      }),
    );
  }

  get podCidrs(): readonly Prefix[] {
    return this.#options.podCidrs;
  }

  /**
   * A free address of every family, held until `confirm` makes it permanent or its time is over. All or
   * nothing. @throws IpamError pool_exhausted
   */
  allocateNext(owner: string): ExpiringPair {
    if (this.#pools.size === 0)
      throw new IpamError("pool_exhausted", "the node has no pod CIDR yet");
    const addresses = this.#takeOfEach(owner);
    const expirationMs = this.#options.expirationMs ?? 600_000;
    const pair: ExpiringPair = {
      ipv4: addresses.find(({ family }) => family === 4),
      ipv6: addresses.find(({ family }) => family === 6),
      owner,
      expirationId: randomUUID(),
      expiresAtMs: Date.now() + expirationMs,
    };
    const timer = setTimeout(() => this.#expire(pair.expirationId), expirationMs).unref();
    this.#held.set(pair.expirationId, { pair, timer });
    return pair;
  }

  /** A certain address, permanently: a restored endpoint's, the router's. @throws IpamError address_in_use, not_in_pool */
  allocate(address: Address, owner: string): void {
    const pool = this.#pools.get(address.family);
    if (!pool) throw notInPool(address, this.#options.podCidrs);
    pool.allocate(address, owner);
    this.#allocated.set(address.toString(), { address, owner });
  }

  /** The CNI ADD is done: the pair stays until it is released. False when its time was over already. */
  confirm(expirationId: string): boolean {
    const held = this.#held.get(expirationId);
    if (!held) return false;
    clearTimeout(held.timer);
    return this.#held.delete(expirationId);
  }

  /** Gives an address back, held or permanent. False when nobody had it. */
  release(address: Address): boolean {
    if (!this.#allocated.delete(address.toString())) return false;
    this.#forgetHeld(address);
    return this.#pools.get(address.family)?.release(address, Date.now()) ?? false;
  }

  /** Gives both addresses of a pair back. */
  releasePair({ ipv4, ipv6 }: AddressPair): void {
    for (const address of [ipv4, ipv6]) if (address) this.release(address);
  }

  /** Who has an address. */
  ownerOf(address: Address): string | undefined {
    return this.#allocated.get(address.toString())?.owner;
  }

  /** Every address that somebody has, IPv4 first, in numeric order. */
  dump(): Allocation[] {
    const pairOf = new Map<string, ExpiringPair>();
    for (const { pair } of this.#held.values())
      for (const address of [pair.ipv4, pair.ipv6])
        if (address) pairOf.set(address.toString(), pair);
    return [...this.#allocated.values()]
      .toSorted((a, b) => a.address.compare(b.address))
      .map(({ address, owner }) => {
        const { expiresAtMs, expirationId } = pairOf.get(address.toString()) ?? {};
        return { address, owner, expiresAtMs, expirationId };
      });
  }

  /** How full each family's pool is, for status and metrics. */
  usage(): PoolUsage[] {
    return [...this.#pools.values()].map((pool) => pool.usage());
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.#held.values()) clearTimeout(timer);
    this.#held.clear();
  }

  #takeOfEach(owner: string): Address[] {
    const taken: Address[] = [];
    try {
      for (const pool of this.#pools.values()) {
        const address = pool.allocateNext(owner, Date.now());
        this.#allocated.set(address.toString(), { address, owner });
        taken.push(address);
      }
      return taken;
    } catch (error) {
      for (const address of taken) this.release(address);
      throw error;
    }
  }

  #expire(expirationId: string): void {
    const held = this.#held.get(expirationId);
    if (!held) return;
    this.#held.delete(expirationId);
    this.releasePair(held.pair);
    this.#options.onExpired?.(held.pair);
  }

  /** A pair of which one address was given back must not take the other's next owner by surprise. */
  #forgetHeld(address: Address): void {
    for (const [id, { pair, timer }] of this.#held) {
      const { ipv4, ipv6 } = pair;
      if (!ipv4?.equals(address) && !ipv6?.equals(address)) continue;
      clearTimeout(timer);
      this.#held.delete(id);
      const other = ipv4?.equals(address) ? ipv6 : ipv4;
      if (other) this.release(other);
    }
  }
}
