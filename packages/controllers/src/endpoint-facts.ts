// What of a pod, and of a service, its endpoints depend on, as text: changes of anything else are none for them.
import type { Pod, Service } from "@tsilium/kube";
import { isReady } from "./objects.ts";

export function podFacts({ metadata, spec, status }: Pod): string {
  return JSON.stringify([
    metadata.uid,
    metadata.labels,
    metadata.deletionTimestamp !== undefined,
    spec.nodeName,
    spec.hostname,
    spec.subdomain,
    status?.phase,
    status?.podIP,
    status?.podIPs,
    isReady(status ? { status } : {}),
  ]);
}

export function serviceFacts({ metadata, spec }: Service): string {
  const { uid, labels, annotations, deletionTimestamp } = metadata;
  return JSON.stringify([uid, labels, annotations, deletionTimestamp !== undefined, spec]);
}
