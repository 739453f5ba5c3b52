// Gives every CiliumNode its pod CIDRs, and says in its status when it cannot.
import type { CiliumNode, KubeClient } from "@tsilium/kube";
import { resources } from "@tsilium/kube";
import { Prefix } from "@tsilium/net";
import type { Operations, Table } from "@tsilium/tables";
import type { Logger } from "@tsilium/runtime";
import { decidePodCidrs, type NodePodCidrs, type PodCidrPool } from "./decide.ts";
import { reportNodeError } from "./report.ts";

export type PodCidrCarverOptions = {
  readonly client: KubeClient;
  /** Complete (its watch has listed all) before a reconciler runs these operations. */
  readonly ciliumNodes: Table<CiliumNode>;
  readonly pools: readonly PodCidrPool[];
  /** Addresses of load balancers, which a node's block had better not have. */
  readonly avoided: () => readonly Prefix[];
  readonly log: Logger;
};

/** A node waits for addresses. The reconciler tries again: another node may go. */
class PodCidrError extends Error {
  readonly code = "pod_cidr_unavailable";
}

export class PodCidrCarver {
  readonly #options: PodCidrCarverOptions;
  /**
   * Blocks given out whose write has not come back by the watch yet, by node UID. What the watch says of such a
   * node is older than what we know.
   */
  readonly #given = new Map<string, readonly Prefix[]>();

  constructor(options: PodCidrCarverOptions) {
    this.#options = options;
  }

  /** For a reconciler over the table of CiliumNodes, which runs one operation at a time. */
  get operations(): Operations<CiliumNode> {
    return {
      update: (node, signal) => this.#carve(node, signal),
      delete: (node) => void this.#given.delete(node.metadata.uid ?? ""),
    };
  }

  /** Every block that some node has. */
  taken(): Prefix[] {
    return this.#nodes().flatMap(({ podCidrs }) => podCidrs);
  }

  async #carve(node: CiliumNode, signal: AbortSignal): Promise<void> {
    const mine = this.#read(node);
    const { pools, avoided } = this.#options;
    const { podCidrs, error } = decidePodCidrs(mine, this.#nodes(), {
      pools,
      avoided: avoided(),
    });
    if (podCidrs.length > mine.podCidrs.length) await this.#give(node, podCidrs, signal);
    await reportNodeError(this.#options.client, node, { error, signal });
    if (error !== undefined) throw new PodCidrError(`${mine.name}: ${error}`);
  }

  async #give(node: CiliumNode, podCidrs: readonly Prefix[], signal: AbortSignal): Promise<void> {
    const { client, log } = this.#options;
    const { name = "", uid = "", resourceVersion } = node.metadata;
    // Remembered before it is written: a write whose answer is lost may have happened.
    this.#given.set(uid, podCidrs);
    await client.patch(resources.ciliumNodes, name, {
      type: "merge",
      // Only onto what the decision was made for: blocks must not be laid over blocks.
      patch: { metadata: { resourceVersion }, spec: { ipam: { podCIDRs: podCidrs.map(String) } } },
      signal,
    });
    log.info({ node: name, podCidrs: podCidrs.map(String) }, "gave pod CIDRs to a node");
  }

  #nodes(): NodePodCidrs[] {
    return [...this.#options.ciliumNodes.values()].map((node) => this.#read(node));
  }

  #read(node: CiliumNode): NodePodCidrs {
    const { name = "", uid = "", creationTimestamp = "" } = node.metadata;
    const written = (node.spec?.ipam?.podCIDRs ?? []).flatMap(
      (text) => Prefix.tryParse(text) ?? [],
    );
    const given = this.#given.get(uid) ?? [];
    if (given.length <= written.length) this.#given.delete(uid);
    const podCidrs = given.length > written.length ? given : written;
    return { name, createdAt: creationTimestamp, podCidrs };
  }
}
