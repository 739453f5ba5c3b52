// Metrics of ENI mode.
import type { ProcessMetrics } from "@tsilium/runtime";
import { Counter, Histogram } from "prom-client";
import type { EniStats } from "./eni-ipam.ts";

export type EniMetrics = {
  /** To be told of every EC2 call. */
  readonly onCall: (call: string, outcome: string, durationMs: number) => void;
};

/** @param stats undefined until there are any */
export function registerEniMetrics(
  metrics: ProcessMetrics,
  stats: () => EniStats | undefined,
): EniMetrics {
  const calls = new Counter({
    name: "tsilium_operator_ec2_api_calls_total",
    help: "calls of the EC2 API with their retries, by what became of them",
    labelNames: ["operation", "outcome"],
    registers: [metrics.registry],
  });
  const durations = new Histogram({
    name: "tsilium_operator_ec2_api_duration_seconds",
    help: "how long a call of the EC2 API took with its retries",
    labelNames: ["operation"],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [metrics.registry],
  });
  metrics.gauge(
    "tsilium_operator_eni_addresses",
    "addresses for pods on all nodes' interfaces, by state",
    ["state"],
    () => {
      const { available = 0, used = 0 } = stats() ?? {};
      return [
        { labels: { state: "free" }, value: Math.max(0, available - used) },
        { labels: { state: "used" }, value: used },
      ];
    },
  );
  metrics.gauge("tsilium_operator_eni_interfaces", "interfaces of all nodes", [], () => [
    { value: stats()?.interfaces ?? 0 },
  ]);
  metrics.gauge("tsilium_operator_eni_nodes_in_error", "nodes that lack addresses", [], () => [
    { value: stats()?.nodesInError ?? 0 },
  ]);
  metrics.gauge(
    "tsilium_operator_eni_collected_total",
    "interfaces that were nobody's and were deleted",
    [],
    () => [{ value: stats()?.collected ?? 0 }],
  );
  return {
    onCall: (operation, outcome, durationMs) => {
      calls.inc({ operation, outcome });
      durations.observe({ operation }, durationMs / 1000);
    },
  };
}
