// Metrics of node-to-node health, with Cilium's names in our prefix.
import { connectivity, isAnswer, type NodeHealth, type PathHealth } from "@tsilium/health";
import { Histogram } from "prom-client";
import type { Metrics } from "../metrics.ts";

export type HealthReadings = {
  readonly clusterName: string;
  readonly nodeName: string;
  readonly nodes: () => readonly NodeHealth[];
};

const kinds = { node: "host", endpoint: "endpoint" } as const;
type Kind = keyof typeof kinds;
const words = ["reachable", "unreachable", "unknown"] as const;

export class HealthMetrics {
  readonly #latency;
  readonly #source: { readonly source_cluster: string; readonly source_node_name: string };

  constructor(metrics: Metrics, { clusterName, nodeName, nodes }: HealthReadings) {
    this.#source = { source_cluster: clusterName, source_node_name: nodeName };
    const source = ["source_cluster", "source_node_name"];
    const others = () => nodes().filter(({ local }) => !local);
    this.#latency = new Histogram({
      name: "tsilium_node_health_connectivity_latency_seconds",
      help: "time until another node, or its health endpoint, answered a probe",
      labelNames: [...source, "type", "protocol", "address_type"],
      buckets: [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5],
      registers: [metrics.registry],
    });
    metrics.gauge(
      "tsilium_node_health_connectivity_status",
      "other nodes, and their health endpoints, by whether they answered their last probes",
      [...source, "type", "status"],
      () =>
        Object.keys(kinds).flatMap((type) =>
          words.map((status) => ({
            labels: { ...this.#source, type, status },
            value: countOf(others(), type as Kind, status),
          })),
        ),
    );
    metrics.gauge("tsilium_unreachable_nodes", "other nodes that cannot be reached", [], () => [
      { value: countOf(others(), "node", "unreachable") },
    ]);
    metrics.gauge(
      "tsilium_unreachable_health_endpoints",
      "other nodes' health endpoints that cannot be reached",
      [],
      () => [{ value: countOf(others(), "endpoint", "unreachable") }],
    );
  }

  /** Told of each node that was probed; this one's own latency says nothing. */
  observe(node: NodeHealth): void {
    if (node.local) return;
    for (const type of Object.keys(kinds) as Kind[])
      for (const [at, path] of node[kinds[type]].entries())
        this.#observePath(type, at === 0 ? "primary" : "secondary", path);
  }

  #observePath(type: Kind, addressType: string, path: PathHealth): void {
    for (const protocol of ["icmp", "http"] as const) {
      const result = path[protocol];
      if (!isAnswer(result)) continue;
      const labels = { ...this.#source, type, protocol, address_type: addressType };
      this.#latency.observe(labels, result.latencyMs / 1000);
    }
  }
}

function countOf(nodes: readonly NodeHealth[], kind: Kind, status: (typeof words)[number]): number {
  return nodes.filter((node) => {
    const paths = node[kinds[kind]];
    return paths.length > 0 && connectivity(paths) === status;
  }).length;
}
