// Why a lab's nodes are not ready, as their kubelet says in the Nodes' conditions: with a lab that did not start its Nodes go.
import { type KubeClient, type Node, resources } from "@tsilium/kube";
import { LabError } from "../error.ts";

/** The error with a line for each Node that is not ready; others, and when nobody can be asked, as they are. */
export async function withNodesReasons(
  error: unknown,
  client: Pick<KubeClient, "list">,
  signal: AbortSignal,
): Promise<unknown> {
  if (!(error instanceof LabError) || error.code !== "start_failed") return error;
  const reasons = await client.list(resources.nodes, { signal }).then(
    ({ items }) => nodesReasons(items),
    () => [],
  );
  if (reasons.length === 0) return error;
  return new LabError(error.code, [`${error.message}:`, ...reasons].join("\n  "), error.hint, {
    cause: error.cause,
  });
}

export function nodesReasons(nodes: readonly Node[]): string[] {
  return nodes.flatMap(({ metadata, status }) => {
    const ready = status?.conditions?.find(({ type }) => type === "Ready");
    if (ready?.status === "True") return [];
    return [`${metadata.name}: ${ready?.message ?? "nobody has said anything of it"}`];
  });
}
