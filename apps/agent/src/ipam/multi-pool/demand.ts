// How much of each pool a node asks for, and what it gives back. Pure.
import type { PoolDemand } from "@tsilium/ipam";
import type { CiliumNodePoolAllocation, CiliumNodePoolRequest } from "@tsilium/kube";
import { type Family, Prefix } from "@tsilium/net";

/** Addresses kept free, by pool. */
export type PreAllocations = ReadonlyMap<string, number>;

const defaultPreAllocation = 8;

/** Reads "pool=count" words. @throws Error for a word that is none */
export function preAllocations(words: readonly string[], defaultPool: string): PreAllocations {
  if (words.length === 0) return new Map([[defaultPool, defaultPreAllocation]]);
  return new Map(
    words.map((word) => {
      const [pool = "", count = ""] = word.split("=");
      if (pool !== "" && /^[0-9]{1,5}$/.test(count)) return [pool, Number(count)] as const;
      throw new Error(`${JSON.stringify(word)} is not pool=count`);
    }),
  );
}

/**
 * Addresses to have in all for so many in use: the pre-allocation is always free, and the sum is a multiple of it, so
 * that one pod more or less seldom changes what is asked for.
 */
export function neededFor(inUse: number, preAllocation: number): number {
  if (preAllocation === 0) return inUse;
  return Math.ceil((inUse + preAllocation) / preAllocation) * preAllocation;
}

/** What a node asks for: of each pool that is kept warm, that pods have addresses of, or that pods wait for. */
export function requests(
  demand: readonly PoolDemand[],
  keep: PreAllocations,
  families: readonly Family[],
): CiliumNodePoolRequest[] {
  const pools = new Set([...keep.keys(), ...demand.map(({ pool }) => pool)]);
  return [...pools].toSorted().map((pool) => {
    const needed = (family: Family) => {
      const found = demand.find((each) => each.pool === pool && each.family === family);
      const inUse = (found?.used ?? 0) + (found?.waiting ?? 0);
      return neededFor(inUse, keep.get(pool) ?? 0);
    };
    const counts = Object.fromEntries(
      families.map((family) => [`ipv${family}-addrs`, needed(family)] as const),
    );
    return { pool, needed: counts };
  });
}

/** CIDRs of an object's `allocated`, by pool; what is none is left out. */
export function allocatedRanges(
  allocated: readonly CiliumNodePoolAllocation[],
): Map<string, Prefix[]> {
  return new Map(
    allocated.map(({ pool, cidrs = [] }) => [
      pool,
      cidrs.flatMap((text) => Prefix.tryParse(text) ?? []),
    ]),
  );
}

/** How many pods' addresses a CIDR has room for: neither the first nor IPv4's last one. */
export function roomOf({ family, size }: Prefix): bigint {
  if (size <= 2n) return size;
  return size - (family === 4 ? 2n : 1n);
}

/** CIDRs that nobody has an address of and that the request can do without, the last given first. */
export function excess(
  ranges: ReadonlyMap<string, readonly Prefix[]>,
  wanted: readonly CiliumNodePoolRequest[],
  usedIn: (prefix: Prefix) => number,
): Prefix[] {
  return [...ranges].flatMap(([pool, prefixes]) =>
    ([4, 6] as const).flatMap((family) => {
      const own = prefixes.filter((prefix) => prefix.family === family);
      const needed = wanted.find((each) => each.pool === pool)?.needed;
      let spare =
        own.reduce((sum, prefix) => sum + roomOf(prefix), 0n) -
        BigInt(needed?.[`ipv${family}-addrs`] ?? 0);
      return own.toReversed().filter((prefix) => {
        if (usedIn(prefix) > 0 || roomOf(prefix) > spare) return false;
        spare -= roomOf(prefix);
        return true;
      });
    }),
  );
}
