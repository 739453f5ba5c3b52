// Prometheus metrics. Names follow Cilium's with the prefix tsilium_ in place of cilium_. What lives in a table
// or in the kernel is read when it is asked for; only what happens (requests, sweeps) is counted here.
import { readFileSync, readdirSync } from "node:fs";
import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** Reads a gauge's values at the time of a scrape. */
export type Reading = readonly {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}[];

export class Metrics {
  readonly registry = new Registry();
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
    this.gauge("tsilium_version", "1, with the agent's version", ["version"], () => [
      { labels: { version }, value: 1 },
    ]);
    this.gauge("process_resident_memory_bytes", "resident memory of the agent", [], () => [
      { value: process.memoryUsage.rss() },
    ]);
    this.gauge("process_open_fds", "open file descriptors of the agent", [], () => [
      { value: readdirSync("/proc/self/fd").length },
    ]);
    this.gauge(
      "process_start_time_seconds",
      "start of the agent, seconds since the epoch",
      [],
      () => [{ value: Math.round(Date.now() / 1000 - process.uptime()) }],
    );
    this.counterOf("process_cpu_seconds_total", "processor time used by the agent", [], () => {
      const { user, system } = process.cpuUsage();
      return [{ value: (user + system) / 1e6 }];
    });
    this.gauge("process_threads", "threads of the agent", [], () => [{ value: threads() }]);
  }

  /** A gauge whose values are read at each scrape. */
  gauge(name: string, help: string, labelNames: readonly string[], read: () => Reading): void {
    new Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { labels, value } of read()) this.set(labels ?? {}, value);
      },
    });
  }

  /** A counter that is kept elsewhere (in the kernel) and read at each scrape. */
  counterOf(name: string, help: string, labelNames: readonly string[], read: () => Reading): void {
    new Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { labels, value } of read()) this.inc(labels ?? {}, value);
      },
    });
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

function threads(): number {
  const match = /^Threads:\s*([0-9]+)$/m.exec(readFileSync("/proc/self/status", "utf8"));
  return Number(match?.[1] ?? 0);
}
