// Answers what agents ask of pools: CIDRs in their CiliumNodes (spec.ipam.pools.allocated), or why there are none in the
// node's status.
import { type CiliumNode, type CiliumPodIPPool, type KubeClient, resources } from "@tsilium/kube";
import { type Family, Prefix } from "@tsilium/net";
import type { Logger } from "@tsilium/runtime";
import type { Operations, Table } from "@tsilium/tables";
import { freeBlocks, blocksOf } from "../pod-cidrs/decide.ts";
import { reportNodeError } from "../pod-cidrs/report.ts";
import { type Allocated, cidrsOf, decidePools, type NodePools, type PodIpPool } from "./decide.ts";
import { poolOf } from "./pool.ts";

export type PoolAllocatorOptions = {
  readonly client: KubeClient;
  /** Complete (their watches have listed all) before a reconciler runs these operations. */
  readonly ciliumNodes: Table<CiliumNode>;
  readonly pools: Table<CiliumPodIPPool>;
  readonly families: readonly Family[];
  /** Addresses of load balancers, which a node had better not have. */
  readonly avoided: () => readonly Prefix[];
  readonly log: Logger;
};

/** A node waits for addresses. The reconciler tries again: a pool may grow, another node give some back. */
class PoolError extends Error {
  readonly code = "pool_unavailable";
}

/** What was written onto a version of an object. */
type Given = { readonly basedOn: string; readonly allocated: Allocated };

export class PoolAllocator {
  readonly #options: PoolAllocatorOptions;
  /** By node UID. */
  readonly #given = new Map<string, Given>();

  constructor(options: PoolAllocatorOptions) {
    this.#options = options;
  }

  /** For a reconciler over the table of CiliumNodes, which runs one operation at a time. */
  get operations(): Operations<CiliumNode> {
    return {
      update: (node, signal) => this.#serve(node, signal),
      delete: (node) => void this.#given.delete(node.metadata.uid ?? ""),
    };
  }

  /** Per pool and family, how many CIDRs nodes have and how many are left. */
  usage(): { pool: string; family: Family; used: number; free: number }[] {
    const taken = this.#nodes().flatMap(cidrsOf);
    return [...this.#pools().values()].flatMap(({ name, families }) =>
      families.map((pool) => {
        const free = freeBlocks(pool, taken);
        return {
          pool: name,
          family: pool.family,
          free: Number(free),
          used: Number(blocksOf(pool) - free),
        };
      }),
    );
  }

  async #serve(node: CiliumNode, signal: AbortSignal): Promise<void> {
    const { families, avoided } = this.#options;
    const mine = this.#read(node);
    const { allocated, error } = decidePools(mine, this.#nodes(), {
      pools: this.#pools(),
      families,
      avoided: avoided(),
    });
    if (cidrsOf({ allocated }).length > cidrsOf(mine).length)
      await this.#give(node, allocated, signal);
    await reportNodeError(this.#options.client, node, { error, signal });
    if (error !== undefined) throw new PoolError(`${mine.name}: ${error}`);
  }

  async #give(node: CiliumNode, allocated: Allocated, signal: AbortSignal): Promise<void> {
    const { client, log } = this.#options;
    const { name = "", uid = "", resourceVersion = "" } = node.metadata;
    // Remembered before it is written: a write whose answer is lost may have happened.
    this.#given.set(uid, { basedOn: resourceVersion, allocated });
    const listed = [...allocated].map(([pool, cidrs]) => ({ pool, cidrs: cidrs.map(String) }));
    await client.patch(resources.ciliumNodes, name, {
      type: "merge",
      // Only onto what the decision was made for: the agent gives CIDRs back meanwhile.
      patch: { metadata: { resourceVersion }, spec: { ipam: { pools: { allocated: listed } } } },
      signal,
    });
    log.info({ node: name, allocated: listed }, "gave CIDRs of pools to a node");
  }

  #pools(): Map<string, PodIpPool> {
    const pools = [...this.#options.pools.values()].map(poolOf);
    return new Map(pools.map((pool) => [pool.name, pool]));
  }

  #nodes(): NodePools[] {
    return [...this.#options.ciliumNodes.values()].map((node) => this.#read(node));
  }

  #read(node: CiliumNode): NodePools {
    const { name = "", uid = "", creationTimestamp = "", resourceVersion = "" } = node.metadata;
    const { requested = [], allocated = [] } = node.spec?.ipam?.pools ?? {};
    const given = this.#given.get(uid);
    // A write lands on the version it was made for or never: any other version tells what became of it.
    if (given && given.basedOn !== resourceVersion) this.#given.delete(uid);
    const written = new Map(
      allocated.map(({ pool, cidrs = [] }) => [
        pool,
        cidrs.flatMap((text) => Prefix.tryParse(text) ?? []),
      ]),
    );
    return {
      name,
      createdAt: creationTimestamp,
      requested,
      allocated: given?.basedOn === resourceVersion ? given.allocated : written,
    };
  }
}
