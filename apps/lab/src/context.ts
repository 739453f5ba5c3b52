// Where a lab's node is, for commands that talk to its agent.
import { labLayout } from "./layout.ts";
import { LabError } from "./error.ts";

export type LabContext = {
  readonly kubeconfig: string;
  /** The agent's unix socket. */
  readonly socket: string;
  /** Root of the node's pins. */
  readonly bpffs: string;
  /** Path of the node's network namespace. */
  readonly netns: string;
};

/** @param node "node-1", ... @throws LabError for a name that no lab or node can have. */
export function labContext(lab: string, node: string): LabContext {
  const layout = labLayout(lab);
  const { socket, bpfRoot, netns } = layout.node(nodeNumber(node));
  return { kubeconfig: layout.kubeconfig, socket, bpffs: bpfRoot, netns };
}

/** "node-7" -> 7. @throws LabError "no_such_node" */
export function nodeNumber(name: string): number {
  const number = /^node-([1-9]\d{0,2})$/.exec(name)?.[1];
  if (number) return Number(number);
  throw new LabError(
    "no_such_node",
    `"${name}" is not a lab's node`,
    "Nodes are node-1, node-2, ...",
  );
}
