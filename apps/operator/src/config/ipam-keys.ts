// Keys of where nodes' ranges of pod addresses come from (docs/ipam.md).
import { choice, type Keys, type ValuesOf, words } from "@tsilium/runtime/config.ts";
import { poolsFromWords } from "../pod-ip-pools/pool.ts";

export const ipamKeys = {
  ipam: choice(
    "cluster-pool",
    ["cluster-pool", "kubernetes", "multi-pool", "crd", "eni", "delegated-plugin"],
    "where pods' addresses come from",
  ),
  "auto-create-cilium-pod-ip-pools": words(
    "multi-pool: CiliumPodIPPools to create, default=ipv4-cidrs:10.0.0.0/8;ipv4-mask-size:24",
  ),
} satisfies Keys;

export function poolContradictions(config: ValuesOf<typeof ipamKeys>): string[] {
  try {
    poolsFromWords(config["auto-create-cilium-pod-ip-pools"]);
    return [];
  } catch (error) {
    return [`auto-create-cilium-pod-ip-pools: ${(error as Error).message}`];
  }
}
