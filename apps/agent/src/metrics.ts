// Prometheus metrics. Names follow Cilium's with the prefix tsilium_ in place of cilium_. What lives in a table
// or in the kernel is read when it is asked for; only what happens (requests, sweeps) is counted here.
import { ProcessMetrics } from "@tsilium/runtime";
import { Counter, Histogram } from "prom-client";

/** How full a kernel map is. */
export type MapUsage = {
  readonly map: string;
  readonly entries: number;
  readonly maxEntries: number;
};

export class Metrics extends ProcessMetrics {
  readonly #mapUsage: (() => readonly MapUsage[])[] = [];
  readonly apiProcessTime = this.#histogram({
    name: "tsilium_agent_api_process_time_seconds",
    help: "time to answer a request on the agent's socket",
    labelNames: ["method", "path", "return_code"],
  });
  readonly cniProcessTime = this.#histogram({
    name: "tsilium_cni_process_time_seconds",
    help: "time to answer a CNI command",
    labelNames: ["command", "code"],
  });
  readonly conntrackSweeps = this.#counter({
    name: "tsilium_datapath_conntrack_gc_runs_total",
    help: "sweeps of conntrack and masquerading tables",
    labelNames: ["table"],
  });
  readonly conntrackSwept = this.#counter({
    name: "tsilium_datapath_conntrack_gc_deleted_total",
    help: "entries that sweeps removed",
    labelNames: ["table"],
  });
  readonly ipamEvents = this.#counter({
    name: "tsilium_ipam_events_total",
    help: "addresses handed out and taken back",
    labelNames: ["action"],
  });

  constructor(version: string) {
    super();
    this.gauge("tsilium_version", "1, with the agent's version", ["version"], () => [
      { labels: { version }, value: 1 },
    ]);
    this.gauge("tsilium_bpf_map_pressure", "share of a map that is in use", ["map_name"], () =>
      this.#mapUsage
        .flatMap((read) => read())
        .map(({ map, entries, maxEntries }) => ({
          labels: { map_name: map },
          value: entries / maxEntries,
        })),
    );
  }

  /** Maps whose pressure is told from now on; they are read at each scrape. */
  readMapPressure(read: () => readonly MapUsage[]): void {
    this.#mapUsage.push(read);
  }

  #histogram<T extends string>(of: {
    name: string;
    help: string;
    labelNames: readonly T[];
  }): Histogram<T> {
    const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];
    return new Histogram({ ...of, buckets, registers: [this.registry] });
  }

  #counter<T extends string>(of: {
    name: string;
    help: string;
    labelNames: readonly T[];
  }): Counter<T> {
    return new Counter({ ...of, registers: [this.registry] });
  }
}
