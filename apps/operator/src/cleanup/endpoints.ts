// CiliumEndpoints whose pod is gone: an agent that died with its pods cannot take them back.
import {
  type CiliumEndpoint,
  type KubeClient,
  objectKey,
  type Pod,
  resources,
} from "@tsilium/kube";
import { removeEndpoint } from "./nodes.ts";

/**
 * Removes every CiliumEndpoint without a running pod. Answers how many.
 * @throws KubeError, the signal's reason
 */
export async function sweepEndpoints(client: KubeClient, signal: AbortSignal): Promise<number> {
  // In this order: a pod that is in no list made later than its CiliumEndpoint was seen has ended.
  const { items: endpoints } = await client.list(resources.ciliumEndpoints, { signal });
  const pods = new Map<string, PodFacts>();
  for await (const page of client.pages(resources.pods, { signal }))
    for (const pod of page.items) pods.set(objectKey(pod), factsOf(pod));
  let removed = 0;
  for (const endpoint of endpoints.filter((candidate) => isOrphan(candidate, pods)))
    if (await removeEndpoint(client, endpoint, signal)) removed++;
  return removed;
}

/** What matters of a pod; all pods of a cluster are held at once. */
export type PodFacts = { readonly uid: string; readonly ended: boolean };

function factsOf({ metadata, status }: Pod): PodFacts {
  return {
    uid: metadata.uid ?? "",
    ended: status?.phase === "Succeeded" || status?.phase === "Failed",
  };
}

/** Whether no running pod stands behind a CiliumEndpoint. Pure. */
function isOrphan(endpoint: CiliumEndpoint, pods: ReadonlyMap<string, PodFacts>): boolean {
  const pod = pods.get(objectKey(endpoint));
  if (!pod || pod.ended) return true;
  const owner = endpoint.metadata.ownerReferences?.find(({ kind }) => kind === "Pod");
  return owner !== undefined && owner.uid !== pod.uid;
}
