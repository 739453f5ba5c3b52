// Hubble for Prometheus, as the agent sees it. Metrics of flows themselves are the worker's (hubble-metrics-server).
import type { Metrics } from "../metrics.ts";
import type { ClientStatus } from "./client.ts";
import type { HubbleStatus } from "./model.ts";

/** What is read at each scrape. */
export type HubbleReadings = { readonly status: () => ClientStatus };

export function registerHubbleMetrics(metrics: Metrics, { status }: HubbleReadings): void {
  const read = (of: (status: HubbleStatus) => number | undefined) => () => {
    const { status: said } = status();
    const value = said && of(said);
    return value === undefined ? [] : [{ value }];
  };
  const counter = (name: string, help: string, of: (status: HubbleStatus) => number | undefined) =>
    metrics.counterOf(name, help, [], read(of));
  const gauge = (name: string, help: string, of: (status: HubbleStatus) => number | undefined) =>
    metrics.gauge(name, help, [], read(of));
  counter("tsilium_hubble_flows_total", "flows told, since the worker started", (of) => of.flows);
  counter(
    "tsilium_hubble_lost_events_total",
    "events that the kernel could not tell: over its budget, or a full ring",
    (of) => of.lostInKernel,
  );
  counter(
    "tsilium_hubble_undecoded_events_total",
    "events that were told of and could not be read",
    (of) => of.undecoded,
  );
  counter(
    "tsilium_hubble_unnamed_rules_total",
    "flows told without the name of the rule that decided",
    (of) => of.unnamedRules,
  );
  gauge("tsilium_hubble_flows_held", "flows in memory", (of) => of.held);
  gauge("tsilium_hubble_clients", "streams that are being served", (of) => of.clients);
  gauge(
    "tsilium_hubble_ring_pending_bytes",
    "bytes that wait in the kernel's rings",
    (of) => of.pendingBytes,
  );
  gauge("tsilium_hubble_history_bytes", "size of the history", (of) => of.history?.bytes);
  gauge("tsilium_hubble_history_flows", "flows in the history", (of) => of.history?.flows);
  gauge(
    "tsilium_hubble_history_oldest_timestamp_seconds",
    "time of the oldest flow in the history",
    (of) => (of.history?.oldestMs === undefined ? undefined : of.history.oldestMs / 1000),
  );
  counter(
    "tsilium_hubble_history_corrupt_total",
    "parts of the history that could not be read and were passed over",
    (of) => of.history?.corrupt,
  );
  counter(
    "tsilium_hubble_history_lost_flows_total",
    "flows that could not be kept: the disk is full, fails or is too slow",
    (of) => of.history?.lost,
  );
  metrics.gauge("tsilium_hubble_worker_restarts", "times the Hubble worker died", [], () => [
    { value: status().restarts },
  ]);
}
