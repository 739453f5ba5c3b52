// Learns what this node is: its addresses from its Kubernetes Node, its pod CIDRs and router addresses from whoever hands
// out addresses (../ipam/source.ts). Says so in the CiliumNode, and goes on saying it.
import { readFileSync } from "node:fs";
import { type Node as KubeNode, objectKey, resources } from "@tsilium/kube";
import type { Family } from "@tsilium/net";
import { internalAddresses, NodeError, type NodePublisher } from "@tsilium/node";
import type { HealthAddresses } from "@tsilium/node/model.ts";
import type { Logger } from "@tsilium/runtime";
import { Table } from "@tsilium/tables";
import { podCidrsOf } from "../ipam/pod-cidrs.ts";
import type { IpamSource } from "../ipam/source.ts";
import type { Watches } from "../watches.ts";
import type { NodeFacts } from "./facts.ts";
import { trimOwnNode } from "./trim.ts";

export type LocalNodeOptions = {
  readonly name: string;
  readonly families: readonly Family[];
  readonly watches: Watches;
  readonly publisher: NodePublisher;
  readonly ipam: IpamSource;
  readonly log: Logger;
};

type Addresses = Pick<NodeFacts, "ipv4" | "ipv6">;

export class LocalNode {
  /** This node's Node, or nothing while it is not known: labels, taints, whether it goes away. */
  readonly table: Table<KubeNode> = new Table<KubeNode>({ name: "own-node", key: objectKey });
  readonly #options: LocalNodeOptions;
  readonly #addresses = Promise.withResolvers<Addresses>();
  #kubeNode: KubeNode | undefined;
  #routers: Pick<NodeFacts, "routerIpv4" | "routerIpv6"> = {
    routerIpv4: undefined,
    routerIpv6: undefined,
  };
  #health: HealthAddresses | undefined;

  constructor(options: LocalNodeOptions) {
    this.#options = options;
  }

  /** Begins to follow this node's Node. @throws the signal's reason when it aborts before the first answer */
  async start(signal: AbortSignal): Promise<void> {
    const { name, watches } = this.#options;
    await watches.start("own node", resources.nodes, {
      fieldSelector: `metadata.name=${name}`,
      signal,
      handlers: {
        upsert: (node) => {
          this.#kubeNode = node;
          this.table.upsert(trimOwnNode(node));
          this.#publish();
        },
        // Its CiliumNode goes with it; a node that registers again is heard of again.
        delete: () => undefined,
      },
    });
  }

  /** Facts as the API server has them, waited for. @throws NodeError pod_cidr_missing when the signal aborts */
  async learn(signal: AbortSignal): Promise<NodeFacts> {
    const { name, ipam } = this.#options;
    signal.addEventListener("abort", () => this.#addresses.reject(signal.reason), { once: true });
    const addresses = await this.#addresses.promise;
    const facts = { name, ...addresses, ...(await ipam.learn(signal)) };
    this.useRouters(facts);
    return facts;
  }

  /** The router addresses to publish from now on. */
  useRouters({ routerIpv4, routerIpv6 }: Pick<NodeFacts, "routerIpv4" | "routerIpv6">): void {
    this.#routers = { routerIpv4, routerIpv6 };
    this.#publish();
  }

  /** The health endpoint's addresses to publish from now on; before, those of an earlier agent stay. */
  useHealth({ ipv4, ipv6 }: HealthAddresses): void {
    this.#health = { ipv4, ipv6 };
    this.#publish();
  }

  #publish(): void {
    const { name, families, publisher, ipam, log } = this.#options;
    const node = this.#kubeNode;
    if (!node) return;
    try {
      const addresses = internalAddresses(node, families);
      this.#addresses.resolve(addresses);
      publisher.publish({
        name,
        ...addresses,
        ...this.#routers,
        ...(ipam.publishesPodCidrs ? { podCidrs: podCidrsOf(node) } : {}),
        health: this.#health,
        labels: node.metadata.labels ?? {},
        bootId: readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
      });
    } catch (error) {
      if (!(error instanceof NodeError)) throw error;
      log.warn({ error }, "this node cannot be published yet");
    }
  }
}

/** True when facts of an earlier start serve this one: every family has what it needs. */
export function areComplete(
  facts: NodeFacts,
  families: readonly Family[],
  ipam: Pick<IpamSource, "isComplete">,
): boolean {
  return (
    families.every((family) => {
      const router = family === 4 ? facts.routerIpv4 : facts.routerIpv6;
      const address = family === 4 ? facts.ipv4 : facts.ipv6;
      return router && address;
    }) && ipam.isComplete(facts)
  );
}
