// Tells pools in their status how many addresses they have left, and whether they give any.
import {
  type CiliumLoadBalancerIPPool,
  KubeError,
  type KubeClient,
  resources,
} from "@tsilium/kube";
import type { Logger } from "@tsilium/runtime";
import type { Operations } from "@tsilium/tables";
import type { PoolState } from "./model.ts";
import { poolConditions, problemsText } from "./status.ts";

export type PoolWriterOptions = {
  readonly client: KubeClient;
  /** What the book says of a pool; undefined: it does not know it yet. */
  readonly stateOf: (name: string) => PoolState | undefined;
  readonly log: Logger;
};

/** For a reconciler over the pools. */
export function poolOperations(options: PoolWriterOptions): Operations<CiliumLoadBalancerIPPool> {
  const { client, stateOf, log } = options;
  const update = async (pool: CiliumLoadBalancerIPPool, signal: AbortSignal) => {
    const { name = "", resourceVersion } = pool.metadata;
    const state = stateOf(name);
    const conditions = state && poolConditions(pool, state, new Date());
    if (!conditions) return;
    try {
      await client.patch(resources.ciliumLoadBalancerIPPools, name, {
        subresource: "status",
        type: "merge",
        patch: { metadata: { resourceVersion }, status: { conditions } },
        signal,
      });
    } catch (error) {
      if (KubeError.isConflict(error) || KubeError.isNotFound(error)) return;
      throw error;
    }
    const known = new Set((pool.status?.conditions ?? []).map(({ message }) => message));
    for (const complaint of [state.conflict ?? "", problemsText(state.pool.problems)])
      if (complaint !== "" && !known.has(complaint))
        log.warn({ pool: name, complaint }, "a pool is not used as it is written");
  };
  return { update, delete: () => undefined };
}
