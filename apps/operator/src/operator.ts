// The operator's parts, put together: what runs once in a cluster.
//
//   CRDs --> watches: Nodes, CiliumNodes --> pod CIDR carver --> CiliumNode.spec.ipam.podCIDRs
//                                        \-> node cleaner   --> deletes what deleted nodes leave
//            every few minutes: sweep of CiliumEndpoints without a pod
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CustomResourceDefinition,
  type KubeClient,
  reflectTable,
  resources,
} from "@tsilium/kube";
import { type Logger, type PartHealth, reconcilerHealth } from "@tsilium/runtime";
import { Reconciler } from "@tsilium/tables";
import { sweepEndpoints } from "./cleanup/endpoints.ts";
import { NodeCleaner } from "./cleanup/nodes.ts";
import { type OperatorConfig, podCidrPools } from "./config/config.ts";
import { definitions, installDefinition } from "./crds/install.ts";
import { Metrics } from "./metrics.ts";
import { PodCidrCarver } from "./pod-cidrs/carver.ts";
import { WatchHealth } from "./watch-health.ts";

export type OperatorOptions = {
  readonly client: KubeClient;
  readonly config: OperatorConfig;
  readonly log: Logger;
  readonly signal: AbortSignal;
};

export type Operator = {
  readonly metrics: Metrics;
  readonly health: () => PartHealth[];
  /** Ends the work under way; resolves when nothing is running any more. */
  readonly stop: () => Promise<void>;
};

/** Installs the CRDs, waits until all nodes are known, begins. @throws the signal's reason */
export async function startOperator(options: OperatorOptions): Promise<Operator> {
  const { client, config, log, signal } = options;
  await installDefinitions(options);

  const health = { nodes: new WatchHealth("nodes"), ciliumNodes: new WatchHealth("ciliumnodes") };
  const nodes = reflectTable(client, resources.nodes, { signal, ...health.nodes });
  const ciliumNodes = reflectTable(client, resources.ciliumNodes, {
    signal,
    ...health.ciliumNodes,
  });
  await Promise.all([nodes.synced, ciliumNodes.synced]);

  const pools = podCidrPools(config);
  const carver = new PodCidrCarver({ client, ciliumNodes: ciliumNodes.table, pools, log });
  const carving = new Reconciler({
    name: "pod-cidrs",
    table: ciliumNodes.table,
    operations: carver.operations,
    log,
  });
  const metrics = new Metrics({
    pools,
    taken: () => carver.taken(),
    nodes: () => ciliumNodes.table.size,
    nodesInError: () => carving.status().failing.length,
  });
  const cleaner = new NodeCleaner({
    client,
    nodes: nodes.table,
    ciliumNodes: ciliumNodes.table,
    log,
    onRemoved: (kind) => metrics.removed.inc({ kind }),
  });
  const cleaning = new Reconciler({
    name: "deleted-nodes",
    table: cleaner.table,
    operations: cleaner.operations,
    log,
  });
  // Blocks that a node gives up may be what others wait for.
  const freed = ciliumNodes.table.subscribe(({ kind }) => {
    if (kind === "delete") carving.fullSync();
  });
  carving.start();
  cleaner.start();
  cleaning.start();
  const sweeping = sweepForEver(options, metrics);

  return {
    metrics,
    health: () => [
      health.nodes.part(),
      health.ciliumNodes.part(),
      reconcilerHealth("pod CIDRs", carving.status()),
      reconcilerHealth("deleted nodes", cleaning.status()),
    ],
    stop: async () => {
      freed[Symbol.dispose]();
      cleaner[Symbol.dispose]();
      await Promise.all([carving.stop(), cleaning.stop(), sweeping, nodes.done, ciliumNodes.done]);
    },
  };
}

/** The API server may come up after us: asked twice a second until it answers. */
async function installDefinitions({ client, log, signal }: OperatorOptions): Promise<void> {
  let complained = false;
  const install = async (definition: CustomResourceDefinition) => {
    const name = definition.metadata.name;
    for (let delayMs = 50; ; delayMs = Math.min(delayMs * 2, 500)) {
      try {
        const outcome = await installDefinition(client, definition, signal);
        return log.info({ definition: name, outcome }, "definition in place");
      } catch (error) {
        signal.throwIfAborted();
        if (!complained) log.warn({ definition: name, error }, "cannot install it yet, will retry");
        complained = true;
        await sleep(delayMs, undefined, { signal });
      }
    }
  };
  await Promise.all(definitions.map(install));
}

async function sweepForEver(
  { client, config, log, signal }: OperatorOptions,
  metrics: Metrics,
): Promise<void> {
  const intervalMs = config["cilium-endpoint-gc-interval"];
  while (intervalMs > 0 && !signal.aborted) {
    try {
      const removed = await sweepEndpoints(client, signal);
      metrics.sweeps.inc({ outcome: "success" });
      if (removed > 0) {
        metrics.removed.inc({ kind: "CiliumEndpoint" }, removed);
        log.info({ removed }, "removed CiliumEndpoints without a pod");
      }
    } catch (error) {
      if (signal.aborted) return;
      metrics.sweeps.inc({ outcome: "fail" });
      log.warn({ error }, "a sweep of CiliumEndpoints failed");
    }
    await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}
