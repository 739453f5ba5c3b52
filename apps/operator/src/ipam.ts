// The operator's share of each IPAM mode: who gives nodes the ranges of their pods' addresses.
//
//   cluster-pool                    blocks of a few ranges, one per node and family
//   multi-pool                      CIDRs of CiliumPodIPPools, as many as each node asks for
//   kubernetes                      nothing is given; nodes with the same block are told
//   eni                             eni/start.ts
//   crd, delegated-plugin           nothing
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CiliumNode,
  type CiliumPodIPPool,
  type KubeClient,
  reflectTable,
  resources,
} from "@tsilium/kube";
import type { Prefix } from "@tsilium/net";
import { type Logger, type PartHealth, reconcilerHealth } from "@tsilium/runtime";
import { Reconciler, type Table } from "@tsilium/tables";
import { familiesOf, type OperatorConfig, podCidrPools } from "./config/config.ts";
import { PodCidrCarver } from "./pod-cidrs/carver.ts";
import { blocksOf, freeBlocks } from "./pod-cidrs/decide.ts";
import { PoolAllocator } from "./pod-ip-pools/allocator.ts";
import { createPools } from "./pod-ip-pools/default-pools.ts";
import { poolsFromWords } from "./pod-ip-pools/pool.ts";
import { WatchHealth } from "./watch-health.ts";

export type IpamOptions = {
  readonly client: KubeClient;
  readonly config: OperatorConfig;
  readonly ciliumNodes: Table<CiliumNode>;
  readonly avoided: () => readonly Prefix[];
  readonly log: Logger;
  readonly signal: AbortSignal;
};

/** Blocks, or CIDRs of a pool, by what became of them. */
export type BlockUsage = {
  readonly pool: string;
  readonly family: 4 | 6;
  readonly used: number;
  readonly free: number;
};

export type OperatorIpam = {
  readonly usage: () => readonly BlockUsage[];
  /** Nodes that wait for what they cannot get. */
  readonly nodesInError: () => number;
  readonly health: () => PartHealth[];
  readonly stop: () => Promise<void>;
};

/** Begins; the table of CiliumNodes must be complete. @throws the signal's reason */
export async function startIpam(options: IpamOptions): Promise<OperatorIpam> {
  const { ipam } = options.config;
  switch (ipam) {
    case "cluster-pool":
    case "kubernetes":
      return startPodCidrs(options);
    case "multi-pool":
      return startPools(options);
    case "crd":
    case "eni":
    case "delegated-plugin":
      return {
        usage: () => [],
        nodesInError: () => 0,
        health: () => [{ name: "pod CIDRs", state: "disabled", message: `ipam is ${ipam}` }],
        stop: async () => undefined,
      };
  }
}

function startPodCidrs({ config, ciliumNodes, log, ...rest }: IpamOptions): OperatorIpam {
  // Without pools nothing is given: what is left is to tell nodes of conflicts.
  const pools = config.ipam === "cluster-pool" ? podCidrPools(config) : [];
  const carver = new PodCidrCarver({ ...rest, ciliumNodes, pools, log });
  const carving = new Reconciler({
    name: "pod-cidrs",
    table: ciliumNodes,
    operations: carver.operations,
    log,
  });
  // Blocks that a node gives up may be what others wait for.
  const freed = ciliumNodes.subscribe(({ kind }) => {
    if (kind === "delete") carving.fullSync();
  });
  carving.start();
  return {
    usage: () =>
      pools.map((pool) => {
        const free = freeBlocks(pool, carver.taken());
        const used = Number(blocksOf(pool) - free);
        return { pool: "default", family: pool.family, free: Number(free), used };
      }),
    nodesInError: () => carving.status().failing.length,
    health: () => [reconcilerHealth("pod CIDRs", carving.status())],
    stop: async () => {
      freed[Symbol.dispose]();
      await carving.stop();
    },
  };
}

async function startPools(options: IpamOptions): Promise<OperatorIpam> {
  const { client, config, ciliumNodes, avoided, log, signal } = options;
  const watch = new WatchHealth("ciliumpodippools");
  const pools = reflectTable(client, resources.ciliumPodIPPools, { signal, ...watch });
  await pools.synced;
  const allocator = new PoolAllocator({
    client,
    ciliumNodes,
    pools: pools.table,
    families: familiesOf(config),
    avoided,
    log,
  });
  const serving = new Reconciler({
    name: "pod-ip-pools",
    table: ciliumNodes,
    operations: allocator.operations,
    log,
  });
  const subscriptions = new DisposableStack();
  subscriptions.use(
    ciliumNodes.subscribe(({ kind, row, previous }) => {
      // What one node gave back may be what others wait for.
      const gaveBack = kind === "delete" || countOf(row) < countOf(previous);
      if (gaveBack && serving.status().failing.length > 0) serving.fullSync();
    }),
  );
  subscriptions.use(pools.table.subscribe(() => serving.fullSync()));
  serving.start();
  const creating = keepCreating(options);
  return {
    usage: () => allocator.usage(),
    nodesInError: () => serving.status().failing.length,
    health: () => [watch.part(), reconcilerHealth("pod IP pools", serving.status())],
    stop: async () => {
      subscriptions.dispose();
      await Promise.all([serving.stop(), pools.done, creating]);
    },
  };
}

const retryMs = 1_000;

async function keepCreating({ client, config, log, signal }: IpamOptions): Promise<void> {
  const wanted: CiliumPodIPPool[] = poolsFromWords(config["auto-create-cilium-pod-ip-pools"]);
  while (!signal.aborted) {
    try {
      return await createPools(wanted, { client, log, signal });
    } catch (error) {
      if (signal.aborted) return;
      log.warn({ error }, "cannot create CiliumPodIPPools yet, will retry");
      await sleep(retryMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

function countOf(node: CiliumNode | undefined): number {
  const allocated = node?.spec?.ipam?.pools?.allocated ?? [];
  return allocated.reduce((sum, { cidrs = [] }) => sum + cidrs.length, 0);
}
