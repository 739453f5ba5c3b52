// What relay says of nodes that come and go, in the words of Cilium's `hubble`. Pure.
import { printable } from "../../../cli/src/output.ts";

/** relay.NodeStatusEvent. `state`: relay.NodeState. */
export type NodeStatus = {
  readonly state: number;
  readonly nodeNames: readonly string[];
  readonly message: string;
};

const stateNames = [
  "UNKNOWN_NODE_STATE",
  "NODE_CONNECTED",
  "NODE_UNAVAILABLE",
  "NODE_GONE",
  "NODE_ERROR",
];
const unavailable = 2;
const failed = 4;

/** Whether the user has to know: flows of these nodes are missing. */
export function isTrouble({ state }: NodeStatus): boolean {
  return state === unavailable || state === failed;
}

/** "NODE_CONNECTED" */
export function nodeStateName(state: number): string {
  return stateNames[state] ?? String(state);
}

/** "2 nodes are unavailable: node-1, node-2" */
export function nodeStatusSentence(status: NodeStatus): string {
  const count = status.nodeNames.length;
  const names = nodeNamesText(status);
  switch (status.state) {
    case 1:
      return `Receiving flows from ${count} nodes: ${names}`;
    case unavailable:
      return `${count} nodes are unavailable: ${names}`;
    case 3:
      return `${count} nodes removed from cluster: ${names}`;
    case failed:
      return `Error ${JSON.stringify(printable(status.message))} on ${count} nodes: ${names}`;
    default:
      return `unknown node status event ${status.state}: ${names}`;
  }
}

/** As many names as go into 50 characters, at least one. */
export function nodeNamesText({ nodeNames }: NodeStatus): string {
  let length = 0;
  const end = nodeNames.findIndex((name, at) => {
    length += name.length + 2;
    return length > 50 && at > 0;
  });
  const shown = nodeNames.slice(0, end < 0 ? nodeNames.length : end);
  const omitted = nodeNames.length - shown.length;
  return printable(shown.join(", ")) + (omitted === 0 ? "" : ` (and ${omitted} more)`);
}
