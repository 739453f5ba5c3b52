// Metrics of addresses that this node hands out.
import type { Ipam } from "@tsilium/ipam";
import { Counter, type Registry } from "prom-client";
import type { Metrics } from "../metrics.ts";

export type IpamReadings = {
  readonly usage: Ipam["usage"];
  /** How many ranges of this node another one believes to be its own. */
  readonly conflicts: () => number;
};

export function registerIpamMetrics(metrics: Metrics, readings: IpamReadings): void {
  metrics.gauge(
    "tsilium_ipam_pool_addresses",
    "addresses of a pool that this node has, by state",
    ["pool", "family", "state"],
    () =>
      readings.usage().flatMap(({ pool, family, used, available }) => {
        const labels = { pool, family: `ipv${family}` };
        return [
          { labels: { ...labels, state: "used" }, value: used },
          { labels: { ...labels, state: "available" }, value: Number(available) },
        ];
      }),
  );
  metrics.gauge(
    "tsilium_ipam_conflicts",
    "ranges of this node that another node believes to be its own",
    [],
    () => [{ value: readings.conflicts() }],
  );
}

/** Counted where somebody is refused (exhaustion.ts). */
export function exhaustedCounter(registry: Registry): Counter<"pool" | "family"> {
  return new Counter({
    name: "tsilium_ipam_exhausted_total",
    help: "pods that were refused an address because a pool had none",
    labelNames: ["pool", "family"],
    registers: [registry],
  });
}
