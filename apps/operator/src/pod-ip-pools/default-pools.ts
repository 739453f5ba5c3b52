// Creates pools that the configuration names (auto-create-cilium-pod-ip-pools). Those that exist are their owner's.
import { type CiliumPodIPPool, type KubeClient, KubeError, resources } from "@tsilium/kube";
import type { Logger } from "@tsilium/runtime";

export async function createPools(
  pools: readonly CiliumPodIPPool[],
  {
    client,
    log,
    signal,
  }: {
    readonly client: KubeClient;
    readonly log: Logger;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  for (const pool of pools) {
    try {
      await client.create(resources.ciliumPodIPPools, pool, { signal });
      log.info({ pool: pool.metadata.name }, "created a CiliumPodIPPool");
    } catch (error) {
      if (!KubeError.isAlreadyExists(error)) throw error;
    }
  }
}
