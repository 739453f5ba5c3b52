// Sweeps of the big kernel tables, health and metrics of the node's parts, and the CNI plugin on the host.
import type { Datapath } from "@tsilium/datapath";
import { installPlugin } from "../cni/install.ts";
import type { AgentConfig } from "../config/keys.ts";
import type { Health } from "../health.ts";
import type { Logger } from "@tsilium/runtime";
import type { Metrics } from "../metrics.ts";
import type { NodeServices } from "../services/start.ts";
import { Sweeper } from "../sweeper.ts";
import { type NodeHealthOptions, registerNodeHealth } from "./health.ts";
import { type NodeMetricsOptions, registerNodeMetrics } from "./metrics.ts";

export type HousekeepingOptions = Omit<NodeHealthOptions, "sweeper" | "datapath"> &
  Omit<NodeMetricsOptions, "datapath"> & {
    readonly config: AgentConfig;
    readonly health: Health;
    readonly metrics: Metrics;
    readonly log: Logger;
    readonly stop: AbortSignal;
    readonly datapath: Datapath;
    readonly services: Pick<NodeServices, "terminated">;
  };

/** Begins; disposing ends the sweeps. */
export function keepHouse(options: HousekeepingOptions): Disposable {
  const { config, health, metrics, log, stop, datapath, services } = options;
  const { flows, affinities, sockets } = datapath.services;
  const sweeper = new Sweeper({
    tables: [
      { name: "conntrack", sweep: (signal) => datapath.conntrack.sweep(undefined, signal) },
      { name: "nat", sweep: (signal) => datapath.nat.sweep(undefined, signal) },
      { name: "service flows", sweep: (signal) => flows.sweep(undefined, signal) },
      { name: "affinities", sweep: (signal) => affinities.sweep(undefined, signal) },
      {
        name: "balanced sockets",
        sweep: async (signal) => {
          // Whose socket is to be ended is told by what is swept here.
          await services.terminated();
          return sockets.sweep(signal);
        },
      },
    ],
    intervalMs: config["conntrack-gc-interval"],
    log,
    onSweep: ({ table, deleted }) => {
      metrics.conntrackSweeps.inc({ table });
      metrics.conntrackSwept.inc({ table }, deleted);
    },
  });
  sweeper.start();
  registerNodeHealth(health, { ...options, sweeper });
  registerNodeMetrics(metrics, options);
  const installed = installPlugin(config, stop);
  health.register("cni", () => installed);
  return sweeper;
}
