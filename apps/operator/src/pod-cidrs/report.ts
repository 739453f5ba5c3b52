// Says in a node's CiliumNode why it cannot have what it needs.
import { type CiliumNode, type KubeClient, resources } from "@tsilium/kube";

/** Nothing is written when it says so already. @throws KubeError */
export async function reportNodeError(
  client: KubeClient,
  node: CiliumNode,
  { error, signal }: { readonly error: string | undefined; readonly signal: AbortSignal },
): Promise<void> {
  const reported = node.status?.ipam?.["operator-status"]?.error ?? "";
  if (reported === (error ?? "")) return;
  await client.patchStatus(resources.ciliumNodes, node.metadata.name ?? "", {
    status: { ipam: { "operator-status": { error: error ?? null } } },
    signal,
  });
}
