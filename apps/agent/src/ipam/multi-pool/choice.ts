// Which pool a pod's addresses come from: its own annotations, then its namespace's, then the default.
import type { PoolChoice } from "@tsilium/ipam";
import type { KubeObject, Namespace, Pod } from "@tsilium/kube";

const annotations = {
  both: "ipam.cilium.io/ip-pool",
  ipv4: "ipam.cilium.io/ipv4-pool",
  ipv6: "ipam.cilium.io/ipv6-pool",
} as const;

export function choosePools(
  pod: Pod | undefined,
  namespace: Namespace | undefined,
  defaultPool: string,
): PoolChoice {
  const of = (family: "ipv4" | "ipv6") =>
    named(pod, family) ?? named(namespace, family) ?? defaultPool;
  return { ipv4: of("ipv4"), ipv6: of("ipv6") };
}

function named(object: KubeObject | undefined, family: "ipv4" | "ipv6"): string | undefined {
  const given = object?.metadata.annotations ?? {};
  return given[annotations[family]] || given[annotations.both] || undefined;
}
