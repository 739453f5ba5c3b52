// Which node gets which CIDRs of which pool. Pure.
//
// What CiliumNodes say is the only memory there is, as of pod CIDRs: CIDRs stay with their nodes over the operator's
// restarts, and when pools change or go.
import type { CiliumNodePoolRequest } from "@tsilium/kube";
import type { Family, Prefix } from "@tsilium/net";
import { findConflict, firstFree, type PodCidrPool } from "../pod-cidrs/decide.ts";

export type PodIpPool = { readonly name: string; readonly families: readonly PodCidrPool[] };

/** CIDRs by pool. */
export type Allocated = ReadonlyMap<string, readonly Prefix[]>;

export type NodePools = {
  readonly name: string;
  /** RFC 3339; in a conflict the older node keeps its CIDRs. */
  readonly createdAt: string;
  readonly requested: readonly CiliumNodePoolRequest[];
  readonly allocated: Allocated;
};

export type PoolDecision = {
  readonly allocated: Allocated;
  /** What the node cannot get, in words for its status. */
  readonly error: string | undefined;
};

export type PoolOptions = {
  readonly pools: ReadonlyMap<string, PodIpPool>;
  readonly families: readonly Family[];
  /** What others have use for, load balancers: given to a node only when nothing else is left. */
  readonly avoided?: readonly Prefix[];
};

const mostErrors = 8;

/**
 * The CIDRs that `node` should have, given all nodes. What it has it keeps (it gives back by itself); for what it asks
 * beyond that it gets the first free CIDRs of the pool.
 */
export function decidePools(
  node: NodePools,
  nodes: Iterable<NodePools>,
  { pools, families, avoided = [] }: PoolOptions,
): PoolDecision {
  const others = [...nodes].filter(({ name }) => name !== node.name);
  const conflict = findConflict(blocksOf(node), others.map(blocksOf));
  if (conflict) return { allocated: node.allocated, error: conflict };
  const allocated = new Map([...node.allocated].map(([pool, cidrs]) => [pool, [...cidrs]]));
  const taken = [...others, node].flatMap(cidrsOf);
  const errors: string[] = [];
  for (const { pool: name, needed = {} } of node.requested) {
    const pool = pools.get(name);
    const mine = allocated.get(name) ?? [];
    for (const family of families) {
      const wanted = BigInt(needed[`ipv${family}-addrs`] ?? 0);
      while (roomIn(mine, family) < wanted) {
        const from = pool?.families.find((each) => each.family === family);
        const block = from && (firstFree(from, [...taken, ...avoided]) ?? firstFree(from, taken));
        if (!block) {
          errors.push(shortage({ name, pool, family, wanted, room: roomIn(mine, family) }));
          break;
        }
        mine.push(block);
        taken.push(block);
      }
    }
    if (mine.length > 0) allocated.set(name, mine);
  }
  return { allocated, error: errors.length > 0 ? told(errors) : undefined };
}

/** Each once, and not all of hundreds: pods may name any pool, and every pod that is refused is told this. */
function told(errors: readonly string[]): string {
  const different = [...new Set(errors)];
  const more = different.length - mostErrors;
  const shown = different.slice(0, mostErrors).join("; ");
  return more > 0 ? `${shown}; and ${more} more` : shown;
}

/** How many pods' addresses CIDRs have room for: neither the first nor IPv4's last of each. */
export function roomIn(cidrs: readonly Prefix[], family: Family): bigint {
  return cidrs
    .filter((cidr) => cidr.family === family)
    .reduce((sum, { size }) => sum + (size <= 2n ? size : size - (family === 4 ? 2n : 1n)), 0n);
}

export function cidrsOf({ allocated }: Pick<NodePools, "allocated">): Prefix[] {
  return [...allocated.values()].flat();
}

function blocksOf(node: NodePools) {
  return { name: node.name, createdAt: node.createdAt, podCidrs: cidrsOf(node) };
}

function shortage(of: {
  readonly name: string;
  readonly pool: PodIpPool | undefined;
  readonly family: Family;
  readonly wanted: bigint;
  readonly room: bigint;
}): string {
  const { name, pool, family, wanted, room } = of;
  if (!pool) return `there is no CiliumPodIPPool ${name}`;
  const from = pool.families.find((each) => each.family === family);
  if (!from) return `CiliumPodIPPool ${name} has no IPv${family} range`;
  return `CiliumPodIPPool ${name} has no free IPv${family} CIDR of length ${from.maskSize} left in ${from.ranges.join(", ")}: the node has room for ${room} addresses and asks for ${wanted}; add a range to the pool`;
}
