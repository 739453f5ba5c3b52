// Services for Prometheus. Names are Cilium's where they mean the same.
import type { TableUsage } from "@tsilium/datapath";
import type { Service } from "@tsilium/kube";
import { Counter, Histogram } from "prom-client";
import type { Metrics } from "../metrics.ts";
import type { ServicesState } from "./health.ts";
import type { Applied } from "./writer.ts";

/** What gauges are read from. */
export type ServiceReadings = {
  readonly services: () => Iterable<Service>;
  readonly state: () => ServicesState;
  readonly conflicts: () => number;
  readonly usage: () => readonly TableUsage[];
  readonly terminatedSockets: () => number;
  readonly healthCheckPorts: () => number;
};

const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

export class ServiceMetrics {
  readonly #metrics: Metrics;
  readonly #events;
  readonly #delay;
  readonly #duration;

  constructor(metrics: Metrics) {
    const registers = [metrics.registry];
    this.#metrics = metrics;
    this.#events = new Counter({
      name: "tsilium_services_events_total",
      help: "services, and pods with host ports, brought into the kernel or out of it",
      labelNames: ["action"],
      registers,
    });
    this.#delay = new Histogram({
      name: "tsilium_service_implementation_delay",
      help: "seconds from hearing of a change to its being in the kernel",
      labelNames: ["action"],
      buckets,
      registers,
    });
    this.#duration = new Histogram({
      name: "tsilium_service_apply_duration_seconds",
      help: "time of writing a batch of changes into the kernel",
      buckets,
      registers,
    });
  }

  /** Counts what the kernel took. */
  note({ keys, durationMs }: Applied): void {
    this.#duration.observe(durationMs / 1000);
    for (const { action, delayMs } of keys) {
      this.#events.inc({ action });
      this.#delay.observe({ action }, delayMs / 1000);
    }
  }

  /** Registers what is read at each scrape. */
  register(readings: ServiceReadings): void {
    const { services, state, conflicts, usage, terminatedSockets, healthCheckPorts } = readings;
    const metrics = this.#metrics;
    const gauge = (name: string, help: string, read: () => number) =>
      metrics.gauge(name, help, [], () => [{ value: read() }]);
    metrics.gauge("tsilium_services", "services of the cluster by type", ["type"], () =>
      countsBy(services(), ({ spec }) => spec?.type ?? "ClusterIP").map(([type, value]) => ({
        labels: { type },
        value,
      })),
    );
    gauge("tsilium_service_frontends", "frontends in the kernel", () => state().frontends);
    gauge("tsilium_service_backends", "backends in the kernel", () => state().backends);
    gauge("tsilium_service_conflicts", "frontends that are another service's", conflicts);
    gauge(
      "tsilium_service_warnings",
      "services that are not, or not wholly, served as they say",
      () => state().warnings,
    );
    gauge(
      "tsilium_service_refused",
      "services that the kernel refused",
      () => state().writer.refused.length,
    );
    gauge("tsilium_service_health_check_ports", "health check node ports", healthCheckPorts);
    metrics.counterOf(
      "tsilium_service_sockets_terminated_total",
      "sockets ended because their backend was gone",
      [],
      () => [{ value: terminatedSockets() }],
    );
    metrics.readMapPressure(usage);
  }
}

function countsBy<T>(rows: Iterable<T>, keyOf: (row: T) => string): [string, number][] {
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(keyOf(row), (counts.get(keyOf(row)) ?? 0) + 1);
  return [...counts];
}
