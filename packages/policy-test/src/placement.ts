// Which node a pod is on. Once placed it stays: a pod cannot move.
import { objectKey, type Pod } from "@tsilium/kube";

export class Placement {
  readonly nodes: readonly string[];
  readonly #placed = new Map<string, string>();
  #next = 0;

  /** @param count of nodes: "node-1" and so on */
  constructor(count: number) {
    this.nodes = Array.from({ length: count }, (_, at) => `node-${at + 1}`);
  }

  /** The node it names, if there is such; else one after the other. */
  nodeOf(pod: Pod): string {
    const name = objectKey(pod);
    const wanted = pod.spec.nodeName;
    const node =
      wanted !== undefined && this.nodes.includes(wanted)
        ? wanted
        : (this.#placed.get(name) ?? (this.nodes[this.#next++ % this.nodes.length] as string));
    this.#placed.set(name, node);
    return node;
  }
}

/** A node that is not this one. */
export function anotherNode(node: string, nodes: readonly string[]): string | undefined {
  return nodes.find((one) => one !== node);
}
