// Prometheus metrics that every process has, and readings: what lives in a table or in the kernel is read when
// it is asked for, not counted a second time.
import { readFileSync, readdirSync } from "node:fs";
import { Counter, Gauge, Registry } from "prom-client";
import type { Page } from "./pages.ts";

/** A metric's values at the time of a scrape. */
export type Reading = readonly {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}[];

export class ProcessMetrics {
  readonly registry = new Registry();

  constructor() {
    this.gauge("process_resident_memory_bytes", "resident memory", [], () => [
      { value: process.memoryUsage.rss() },
    ]);
    this.gauge("process_open_fds", "open file descriptors", [], () => [
      { value: readdirSync("/proc/self/fd").length },
    ]);
    this.gauge("process_start_time_seconds", "start, seconds since the epoch", [], () => [
      { value: Math.round(Date.now() / 1000 - process.uptime()) },
    ]);
    this.counterOf("process_cpu_seconds_total", "processor time used", [], () => {
      const { user, system } = process.cpuUsage();
      return [{ value: (user + system) / 1e6 }];
    });
    this.gauge("process_threads", "threads", [], () => [{ value: threads() }]);
  }

  /** Everything in Prometheus' text format. */
  readonly page: Page = async () => ({
    status: 200,
    type: this.registry.contentType,
    body: await this.registry.metrics(),
  });

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
}

function threads(): number {
  const match = /^Threads:\s*([0-9]+)$/m.exec(readFileSync("/proc/self/status", "utf8"));
  return Number(match?.[1] ?? 0);
}
