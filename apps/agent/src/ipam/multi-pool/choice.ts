// Which pool a pod's addresses come from: its own annotations, then its namespace's, then the default.
//
// Annotations are anybody's text, and the name goes into this node's CiliumNode: one that no pool can have goes nowhere.
import { CniError, cniCode } from "@tsilium/endpoint";
import type { PoolChoice } from "@tsilium/ipam";
import type { KubeObject, Namespace, Pod } from "@tsilium/kube";

const annotations = {
  both: "ipam.cilium.io/ip-pool",
  ipv4: "ipam.cilium.io/ipv4-pool",
  ipv6: "ipam.cilium.io/ipv6-pool",
} as const;
/** Names of objects (RFC 1123). */
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const longestName = 253;

/** @throws CniError for an annotation that names what cannot be a pool */
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
  const key = given[annotations[family]] ? annotations[family] : annotations.both;
  const name = given[key];
  if (!name) return undefined;
  if (name.length <= longestName && subdomain.test(name)) return name;
  const shown = name.length > 64 ? `${name.slice(0, 64)}...` : name;
  throw new CniError(cniCode.poolExhausted, "there can be no such pool", {
    details: `annotation ${key} of ${object?.metadata.name ?? "the pod"}: ${JSON.stringify(shown)} is no name of a CiliumPodIPPool`,
  });
}
