// Prometheus metrics of the operator; names follow Cilium's with the prefix tsilium_operator_.
import { Counter, Gauge, Registry } from "prom-client";
import type { Prefix } from "@tsilium/net";
import { blocksOf, freeBlocks, type PodCidrPool } from "./pod-cidrs/decide.ts";

export type MetricsSources = {
  readonly pools: readonly PodCidrPool[];
  /** Blocks that nodes have. */
  readonly taken: () => readonly Prefix[];
  readonly nodes: () => number;
  /** Nodes that wait for pod CIDRs they cannot get. */
  readonly nodesInError: () => number;
};

export class Metrics {
  readonly registry = new Registry();
  readonly removed = new Counter({
    name: "tsilium_operator_gc_objects_total",
    help: "objects removed because what they stood for is gone",
    labelNames: ["kind"],
    registers: [this.registry],
  });
  readonly sweeps = new Counter({
    name: "tsilium_operator_endpoint_gc_runs_total",
    help: "sweeps of CiliumEndpoints without a pod",
    labelNames: ["outcome"],
    registers: [this.registry],
  });

  constructor({ pools, taken, nodes, nodesInError }: MetricsSources) {
    this.#gauge("tsilium_operator_ipam_nodes", "CiliumNodes by state", ["state"], () => [
      [{ state: "total" }, nodes()],
      [{ state: "in_error" }, nodesInError()],
    ]);
    this.#gauge("tsilium_operator_ipam_pod_cidrs", "pod CIDRs by state", ["family", "state"], () =>
      pools.flatMap((pool) => {
        const family = `ipv${pool.family}`;
        const free = freeBlocks(pool, taken());
        return [
          [{ family, state: "free" }, Number(free)],
          [{ family, state: "used" }, Number(blocksOf(pool) - free)],
        ] as const;
      }),
    );
    this.#gauge("process_resident_memory_bytes", "resident memory of the operator", [], () => [
      [{}, process.memoryUsage.rss()],
    ]);
    this.#gauge("process_start_time_seconds", "start of the operator", [], () => [
      [{}, Math.round(Date.now() / 1000 - process.uptime())],
    ]);
  }

  #gauge(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: () => readonly (readonly [Readonly<Record<string, string>>, number])[],
  ): void {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [labels, value] of read()) this.set(labels, value);
      },
    });
  }
}
