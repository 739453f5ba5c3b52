// Which node has which block of the cluster's pod addresses. Pure.
//
// What a CiliumNode says is the only memory there is: an operator that starts reads every node's blocks before
// it hands out any, so blocks stay with their nodes over its restarts.
import { type Family, Prefix } from "@tsilium/net";

/** Where one family's blocks come from. */
export type PodCidrPool = {
  readonly family: Family;
  /** Ranges in order of use. */
  readonly ranges: readonly Prefix[];
  /** Length of the block that a node gets. */
  readonly maskSize: number;
};

export type PodCidrOptions = {
  readonly pools: readonly PodCidrPool[];
  /** What others have use for, load balancers: given to a node only when nothing else is left. */
  readonly avoided?: readonly Prefix[];
};

export type NodePodCidrs = {
  readonly name: string;
  /** RFC 3339; in a conflict the older node keeps its block. */
  readonly createdAt: string;
  readonly podCidrs: readonly Prefix[];
};

/** What a node should have. `error` says what it cannot get, in words for its status. */
export type PodCidrDecision = {
  readonly podCidrs: readonly Prefix[];
  readonly error: string | undefined;
};

/**
 * The blocks that `node` should have, given all nodes. What it has it keeps, whatever the ranges are by now:
 * its pods live there. A family it lacks it gets the first free block that overlaps no other node's.
 */
export function decidePodCidrs(
  node: NodePodCidrs,
  nodes: Iterable<NodePodCidrs>,
  { pools, avoided = [] }: PodCidrOptions,
): PodCidrDecision {
  const others = [...nodes].filter(({ name }) => name !== node.name);
  const conflict = findConflict(node, others);
  if (conflict) return { podCidrs: node.podCidrs, error: conflict };
  const podCidrs = [...node.podCidrs];
  const errors: string[] = [];
  for (const pool of pools) {
    if (podCidrs.some(({ family }) => family === pool.family)) continue;
    const taken = others.flatMap((other) => other.podCidrs);
    const block = firstFree(pool, [...taken, ...avoided]) ?? firstFree(pool, taken);
    if (block) podCidrs.push(block);
    else errors.push(exhausted(pool));
  }
  return { podCidrs, error: errors.length > 0 ? errors.join("; ") : undefined };
}

/** How many blocks of a pool are left for nodes to come. */
export function freeBlocks(pool: PodCidrPool, taken: readonly Prefix[]): bigint {
  const inPool = taken.filter((prefix) => pool.ranges.some((range) => range.overlaps(prefix)));
  const used = inPool.reduce((sum, prefix) => sum + blocksCovered(pool, prefix), 0n);
  const free = blocksOf(pool) - used;
  return free > 0n ? free : 0n;
}

export function blocksOf({ ranges, maskSize }: PodCidrPool): bigint {
  return ranges.reduce((sum, range) => sum + (1n << BigInt(maskSize - range.length)), 0n);
}

/** The first block of the pool that overlaps nothing taken, range by range. */
export function firstFree(
  { ranges, maskSize, family }: PodCidrPool,
  taken: readonly Prefix[],
): Prefix | undefined {
  const obstacles = taken
    .filter((prefix) => prefix.family === family)
    .toSorted((a, b) => a.compare(b));
  for (const range of ranges) {
    const block = firstFreeIn(range, maskSize, obstacles);
    if (block) return block;
  }
  return undefined;
}

/**
 * Steps over whatever is in its way at once, so that the cost follows the number of nodes and not the size of
 * the range. Prefixes nest or are disjoint: once stepped over, an obstacle does not come back.
 */
function firstFreeIn(
  range: Prefix,
  maskSize: number,
  sortedObstacles: readonly Prefix[],
): Prefix | undefined {
  const rangeStart = range.first.toBigInt();
  let block = Prefix.of(range.first, maskSize);
  for (const obstacle of sortedObstacles) {
    if (!obstacle.overlaps(block)) continue;
    const beyond = maxOf(obstacle.last.toBigInt(), block.last.toBigInt()) + 1n - rangeStart;
    if (beyond >= range.size) return undefined;
    block = Prefix.of(range.nth(beyond), maskSize);
  }
  return block;
}

/** Why a node may not have what it has: another one, older, has some of it too. */
export function findConflict(
  node: NodePodCidrs,
  others: readonly NodePodCidrs[],
): string | undefined {
  for (const other of others) {
    for (const mine of node.podCidrs) {
      const theirs = other.podCidrs.find((prefix) => prefix.overlaps(mine));
      if (theirs && isYounger(node, other))
        return `pod CIDR ${mine} overlaps ${theirs} of node ${other.name}, which had it first`;
    }
  }
  return undefined;
}

function isYounger(a: NodePodCidrs, b: NodePodCidrs): boolean {
  return a.createdAt === b.createdAt ? a.name > b.name : a.createdAt > b.createdAt;
}

function exhausted({ family, ranges, maskSize }: PodCidrPool): string {
  return `no free IPv${family} block of length ${maskSize} is left in ${ranges.join(", ")}`;
}

function blocksCovered({ maskSize }: PodCidrPool, { length }: Prefix): bigint {
  return length >= maskSize ? 1n : 1n << BigInt(maskSize - length);
}

function maxOf(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
