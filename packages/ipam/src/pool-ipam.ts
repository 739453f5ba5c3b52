// Addresses of both families, from named pools, for the pods of one node. Every mode in which the agent itself hands out
// addresses is this, fed with ranges from somewhere: the operator's pod CIDRs, pools, single addresses.
//
//   allocate --> held, timer runs --confirm--> permanent --release--> resting --> free
//       \            \--timer fires (the CNI ADD never ended)--------^
//        \--nothing free: waits for `setRanges` or `release`, for `patienceMs` at most
import type { Address, Family, Prefix } from "@tsilium/net";
import { IpamError } from "./errors.ts";
import { FamilyPool, notInPool } from "./family-pool.ts";
import { Holds } from "./holds.ts";
import {
  type AddressPair,
  type AllocateOptions,
  type Allocation,
  defaultPool,
  type ExpiringPair,
  type Ipam,
  type IpamMode,
  type IpamProblem,
  type PoolChoice,
  type PoolUsage,
} from "./model.ts";

/** One family of one pool. */
export type PoolFamily = { readonly pool: string; readonly family: Family };

/** How many addresses pods have of it, and how many pods wait for one. */
export type PoolDemand = PoolFamily & { readonly used: number; readonly waiting: number };

export type PoolIpamOptions = {
  readonly mode: IpamMode;
  /** Every pod gets an address of each. */
  readonly families: readonly Family[];
  /** The pool of whoever names none. Default "default". */
  readonly defaultPool?: string;
  /** How long `allocate` waits for `confirm`, milliseconds. Default 10 minutes, as in Cilium. */
  readonly expirationMs?: number;
  /** How long a freed address is not handed out again while others are free, milliseconds. Default 30 s. */
  readonly restMs?: number;
  /** How long a pod waits for addresses that somebody may bring, milliseconds. Default 0: nobody will. */
  readonly patienceMs?: number;
  /** What to do about a pool that is exhausted, in words for whoever reads the CNI error. */
  readonly advice?: (exhausted: PoolFamily) => string | undefined;
  /** Who outside this node has an address: it is not handed out. */
  readonly takenElsewhere?: (address: Address) => string | undefined;
  /** What else is wrong. */
  readonly otherProblem?: () => IpamProblem | undefined;
  /** Told that every endpoint there was has been restored. */
  readonly onRestored?: () => void;
  /** Told of addresses that went back because nobody confirmed them. */
  readonly onExpired?: (pair: ExpiringPair) => void;
  /** Told when somebody could not be given an address. */
  readonly onExhausted?: (exhausted: PoolFamily, error: IpamError) => void;
};

/** Synchronous wherever it takes an address: two callers never see the same free one. */
export class PoolIpam implements Ipam {
  readonly #options: PoolIpamOptions;
  /** Keyed "pool/family". */
  readonly #pools = new Map<string, FamilyPool>();
  readonly #holds: Holds;
  readonly #listeners = new Set<() => void>();
  readonly #waiting = new Set<readonly PoolFamily[]>();

  constructor(options: PoolIpamOptions) {
    this.#options = options;
    this.#holds = new Holds(options.expirationMs ?? 600_000, (pair) => {
      this.#freeBoth(pair);
      options.onExpired?.(pair);
      this.#changed();
    });
  }

  get mode(): IpamMode {
    return this.#options.mode;
  }

  get podCidrs(): readonly Prefix[] {
    return [...this.#pools.values()].flatMap(({ prefixes }) => prefixes);
  }

  /** What a pool may hand out from now on, of both families; whoever has an address keeps it. */
  setRanges(pool: string, prefixes: readonly Prefix[]): void {
    for (const family of this.#options.families) {
      const one = { pool, family };
      const ranges = prefixes.filter((prefix) => prefix.family === family);
      // A pool that is only asked for leaves nothing behind: pods may name any, and as many as they like.
      if (ranges.length === 0 && !this.#pools.has(keyOf(one))) continue;
      this.#pool(one).setRanges(ranges);
      this.#claimStrays(one);
    }
    this.#changed();
  }

  /** Names of pools that were given ranges, or that somebody asked for. */
  pools(): string[] {
    return [...new Set([...this.usage(), ...this.demand()].map(({ pool }) => pool))];
  }

  async allocate(owner: string, options: AllocateOptions = {}): Promise<ExpiringPair> {
    const wanted = this.#wanted(options.pool);
    const pair = this.#take(owner, wanted);
    if (pair) return pair;
    const { patienceMs = 0, onExhausted } = this.#options;
    const late = patienceMs > 0 ? await this.#waitFor(owner, wanted, options.signal) : undefined;
    if (late) return late;
    const exhausted = this.#exhaustedOf(wanted);
    const error = this.#exhaustion(exhausted);
    onExhausted?.(exhausted, error);
    throw error;
  }

  /** What `allocate` does while there are addresses; undefined when there are none. */
  tryAllocate(owner: string, pool?: PoolChoice): ExpiringPair | undefined {
    return this.#take(owner, this.#wanted(pool));
  }

  allocateAddress(address: Address, owner: string): void {
    const pool = this.#poolOf(address);
    if (!pool) throw notInPool(address, this.podCidrs);
    pool.allocate(address, owner);
    this.#changed();
  }

  restore(address: Address, owner: string): void {
    const holder = this.ownerOf(address);
    if (holder !== undefined)
      throw new IpamError("address_in_use", `${address} is in use by ${holder}`);
    const pool =
      this.#poolOf(address) ?? this.#pool({ pool: this.#defaultPool, family: address.family });
    pool.hold(address, owner);
    this.#changed();
  }

  restored(): void {
    this.#options.onRestored?.();
    this.#changed();
  }

  confirm(expirationId: string): boolean {
    return this.#holds.end(expirationId);
  }

  release(address: Address): boolean {
    const freed = this.#free(address);
    // A pair of which one address was given back must not take the other's next owner by surprise.
    const pair = freed ? this.#holds.endOf(address) : undefined;
    if (pair) this.#freeBoth(pair);
    if (freed) this.#changed();
    return freed;
  }

  releasePair({ ipv4, ipv6 }: AddressPair): void {
    for (const address of [ipv4, ipv6]) if (address) this.release(address);
  }

  ownerOf(address: Address): string | undefined {
    for (const pool of this.#pools.values()) {
      const owner = pool.ownerOf(address);
      if (owner !== undefined) return owner;
    }
    return undefined;
  }

  /** How many addresses of a prefix somebody has. */
  usedIn(prefix: Prefix): number {
    return this.dump().filter(({ address }) => prefix.contains(address)).length;
  }

  dump(): Allocation[] {
    const pairOf = new Map<string, ExpiringPair>();
    for (const pair of this.#holds.pairs())
      for (const address of [pair.ipv4, pair.ipv6])
        if (address) pairOf.set(address.toString(), pair);
    return [...this.#pools]
      .flatMap(([key, pool]) =>
        [...pool.owners()].map(({ address, owner }) => {
          const { expiresAtMs, expirationId } = pairOf.get(address.toString()) ?? {};
          return { address, owner, expiresAtMs, expirationId, pool: nameOf(key) };
        }),
      )
      .toSorted((a, b) => a.address.compare(b.address));
  }

  /** Pools with ranges, or with addresses that somebody has. */
  usage(): PoolUsage[] {
    return [...this.#pools.values()]
      .map((pool) => pool.usage())
      .filter(({ podCidrs, used }) => podCidrs.length > 0 || used > 0);
  }

  /** Per pool and family that pods have addresses of, or wait for. */
  demand(): PoolDemand[] {
    const waiting = new Map<string, PoolDemand>();
    for (const one of [...this.#waiting].flat()) {
      const before = waiting.get(keyOf(one))?.waiting ?? 0;
      waiting.set(keyOf(one), { ...one, used: 0, waiting: before + 1 });
    }
    const known = [...this.#pools].flatMap(([key, each]) => {
      const { pool, family, used } = each.usage();
      const count = waiting.get(key)?.waiting ?? 0;
      return used === 0 && count === 0 ? [] : [{ pool, family, used, waiting: count }];
    });
    return [...known, ...[...waiting].flatMap(([key, one]) => (this.#pools.has(key) ? [] : [one]))];
  }

  problem(): IpamProblem | undefined {
    const { families, patienceMs = 0, otherProblem } = this.#options;
    const other = otherProblem?.();
    const full = families.filter((family) => !this.#hasRoom({ pool: this.#defaultPool, family }));
    // Where addresses may come any moment, a pool without any is nothing yet.
    if (full.length === 0 || (patienceMs > 0 && !other)) return other;
    const messages = full.map(
      (family) => this.#exhaustion({ pool: this.#defaultPool, family }).message,
    );
    return {
      blocksAdd: true,
      message: [...messages, ...(other ? [other.message] : [])].join("; "),
    };
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  [Symbol.dispose](): void {
    this.#holds[Symbol.dispose]();
    this.#listeners.clear();
  }

  get #defaultPool(): string {
    return this.#options.defaultPool ?? defaultPool;
  }

  #wanted(pool: PoolChoice | undefined): PoolFamily[] {
    return this.#options.families.map((family) => ({
      family,
      pool: pool?.[`ipv${family}`] ?? this.#defaultPool,
    }));
  }

  #take(owner: string, wanted: readonly PoolFamily[]): ExpiringPair | undefined {
    const taken: Address[] = [];
    for (const one of wanted) {
      const address = this.#pools.get(keyOf(one))?.allocateNext(owner, Date.now());
      if (!address) {
        for (const back of taken) this.#free(back);
        return undefined;
      }
      taken.push(address);
    }
    if (taken.length === 0) return undefined;
    const pair = this.#holds.hold(taken, owner);
    this.#changed();
    return pair;
  }

  /** Whoever waits is part of the demand that somebody may answer with new ranges. */
  async #waitFor(
    owner: string,
    wanted: readonly PoolFamily[],
    signal: AbortSignal | undefined,
  ): Promise<ExpiringPair | undefined> {
    const done = Promise.withResolvers<ExpiringPair | undefined>();
    const retry = () => {
      // Taking tells of a change, which is when those who wait look again.
      if (!this.#waiting.has(wanted) || !wanted.every((one) => this.#hasRoom(one))) return;
      this.#waiting.delete(wanted);
      const pair = this.#take(owner, wanted);
      if (pair) done.resolve(pair);
      else this.#waiting.add(wanted);
    };
    // No longer waiting from this very moment: an address that came now would be nobody's.
    const giveUp = () => {
      this.#waiting.delete(wanted);
      done.resolve(undefined);
    };
    const timer = setTimeout(giveUp, this.#options.patienceMs ?? 0);
    const abort = () => {
      this.#waiting.delete(wanted);
      done.reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    using _listening = this.onChange(retry);
    this.#waiting.add(wanted);
    try {
      if (signal?.aborted) abort();
      else this.#changed();
      return await done.promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      this.#waiting.delete(wanted);
    }
  }

  #hasRoom(one: PoolFamily): boolean {
    return (this.#pools.get(keyOf(one))?.usage().available ?? 0n) > 0n;
  }

  #exhaustedOf(wanted: readonly PoolFamily[]): PoolFamily {
    const full = wanted.find((one) => !this.#hasRoom(one));
    return full ?? wanted[0] ?? { pool: this.#defaultPool, family: 4 };
  }

  #exhaustion(exhausted: PoolFamily): IpamError {
    const { pool, family } = exhausted;
    const { podCidrs = [], used = 0 } = this.#pools.get(keyOf(exhausted))?.usage() ?? {};
    const named = pool === this.#defaultPool ? "" : ` of pool ${pool}`;
    const where =
      podCidrs.length === 0
        ? ": the node has none of them yet"
        : ` in ${listed(podCidrs)} (${used} in use)`;
    const advice = this.#options.advice?.(exhausted);
    return new IpamError(
      "pool_exhausted",
      `no free IPv${family} address${named}${where}${advice === undefined ? "" : `; ${advice}`}`,
    );
  }

  #pool(one: PoolFamily): FamilyPool {
    const key = keyOf(one);
    const existing = this.#pools.get(key);
    if (existing) return existing;
    const { restMs = 30_000, takenElsewhere } = this.#options;
    const made = new FamilyPool({
      ...one,
      restMs,
      // Pools may overlap, and a restored address be held by another pool than its own.
      takenElsewhere: (address) => this.ownerOf(address) ?? takenElsewhere?.(address),
    });
    this.#pools.set(key, made);
    return made;
  }

  /** Takes over addresses of its own that were restored before anybody knew whose they are. */
  #claimStrays(one: PoolFamily): void {
    const pool = this.#pool(one);
    for (const other of this.#pools.values()) {
      if (other === pool) continue;
      const strays = [...other.owners()].filter(
        ({ address }) => pool.has(address) && !other.has(address),
      );
      for (const { address, owner } of strays) {
        other.forget(address);
        pool.hold(address, owner);
      }
    }
  }

  #poolOf(address: Address): FamilyPool | undefined {
    return [...this.#pools.values()].find((pool) => pool.has(address));
  }

  #freeBoth({ ipv4, ipv6 }: AddressPair): void {
    for (const address of [ipv4, ipv6]) if (address) this.#free(address);
  }

  #free(address: Address): boolean {
    return [...this.#pools.values()].some((pool) => pool.release(address, Date.now()));
  }

  #changed(): void {
    for (const listener of new Set(this.#listeners)) listener();
  }
}

const keyOf = ({ pool, family }: PoolFamily) => `${pool}/${family}`;
const nameOf = (key: string) => key.slice(0, key.lastIndexOf("/"));

/** Single addresses are many, and tell nobody anything. */
function listed(prefixes: readonly Prefix[]): string {
  const [first] = prefixes;
  return prefixes.length > 4 ? `${first} and ${prefixes.length - 1} more` : prefixes.join(", ");
}
