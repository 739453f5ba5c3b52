// How many endpoints of a service a node has, as load balancers ask on healthCheckNodePort.
import type { BackendPool } from "../model.ts";

/**
 * Ready ones alone: a node whose endpoints all terminate should get no more new connections, though it still serves those that come
 * (KEP-1669). An endpoint with several ports counts once, and so does a pod with an address of each family.
 */
export function countLocalEndpoints(pools: readonly BackendPool[], nodeName: string): number {
  const addresses = { 4: new Set<string>(), 6: new Set<string>() };
  for (const { backends } of pools)
    for (const backend of backends)
      if (backend.nodeName === nodeName && backend.state === "active")
        addresses[backend.address.family].add(`${backend.address}`);
  return Math.max(addresses[4].size, addresses[6].size);
}
