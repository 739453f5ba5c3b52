// A cluster has tens of thousands of services, most of which only matter for their cluster IPs.
import type { Service } from "@tsilium/kube";

/** A service without what LB-IPAM does not look at. */
export function trimService({ metadata, spec, status }: Service): Service {
  const { name, namespace, uid, resourceVersion, generation, creationTimestamp } = metadata;
  const identity = { name, namespace, uid, resourceVersion, generation, creationTimestamp };
  const known = Object.fromEntries(
    Object.entries(identity).filter(([, value]) => value !== undefined),
  );
  const clusterIPs = spec.clusterIPs ?? [];
  const conditions = status?.conditions ?? [];
  // Conditions of a service that was one tell that it has to be released.
  if (spec.type !== "LoadBalancer" && conditions.length === 0)
    return { metadata: known, spec: { type: spec.type ?? "ClusterIP", clusterIPs } };
  const { labels = {}, annotations = {} } = metadata;
  return {
    metadata: { ...known, labels, annotations: addressing(annotations) },
    spec: { ...spec, clusterIPs },
    ...(status ? { status } : {}),
  };
}

function addressing(annotations: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(annotations).filter(([key]) =>
      /^(lbipam\.)?cilium\.io\/|^io\.cilium\//.test(key),
    ),
  );
}
