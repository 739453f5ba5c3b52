// Hubble's metrics of flows: which there are, and everything that happens to a flow for them.
import { Counter, type Registry } from "prom-client";
import { type Flow, type LostEvents, LostEventSource } from "../model.ts";
import { type MetricConfig, parseMetrics } from "./config.ts";
import { compileContext, contextOptions } from "./context.ts";
import { MetricsConfigError } from "./error.ts";
import { dns } from "./kinds/dns.ts";
import { drop } from "./kinds/drop.ts";
import { flow } from "./kinds/flow.ts";
import { flowsToWorld } from "./kinds/flows-to-world.ts";
import { http, httpV2 } from "./kinds/http.ts";
import { icmp } from "./kinds/icmp.ts";
import { kafka } from "./kinds/kafka.ts";
import type { FlowMetric, MetricKind } from "./kinds/kind.ts";
import { policy } from "./kinds/policy.ts";
import { portDistribution } from "./kinds/port-distribution.ts";
import { tcp } from "./kinds/tcp.ts";

const kinds: Readonly<Record<string, MetricKind>> = {
  dns,
  drop,
  flow,
  "flows-to-world": flowsToWorld,
  http,
  httpV2,
  icmp,
  kafka,
  policy,
  "port-distribution": portDistribution,
  tcp,
};

/** Names that hubble-metrics knows. */
export const metricKinds: readonly string[] = Object.keys(kinds);

export type FlowMetricsOptions = {
  /** Most series of one metric; what would need more is counted in hubble_metrics_not_counted_total. */
  readonly seriesLimit?: number;
  /** For how long after its end a pod's series are there, so that the last scrape gets its last numbers; ms. */
  readonly podGraceMs?: number;
  readonly now?: () => number;
};

export type FlowMetrics = {
  note(flow: Flow): void;
  noteLost(lost: Pick<LostEvents, "source" | "count">): void;
  /** A pod is no more: its series go after a minute. */
  podGone(namespace: string, name: string): void;
  /** A pod of that name is (again). */
  podPresent(namespace: string, name: string): void;
  /** Series there are, of all metrics. */
  readonly size: number;
};

/**
 * Metrics of flows, in `registry`.
 * @param config hubble-metrics: "dns:query drop:sourceContext=pod|ip", or its words. Empty: nothing is counted but losses.
 * @throws MetricsConfigError
 */
export function createFlowMetrics(
  config: string | readonly string[],
  registry: Registry,
  options: FlowMetricsOptions = {},
): FlowMetrics {
  const { seriesLimit = 10_000, podGraceMs = 60_000, now = Date.now } = options;
  const configs = parseMetrics(config);
  const metrics = configs.map((each) => create(each, configs, seriesLimit));
  const families = metrics.flatMap((metric) => metric.families);
  const goneAtMs = new Map<string, number>();
  const sweep = () => removeGone(goneAtMs, now() - podGraceMs, metrics);
  const lost = lostEvents(registry);
  notCounted(registry, metrics, sweep);
  for (const family of families) family.register(registry);
  const notes = metrics.map((metric) => metric.note);
  return {
    note: (flow) => {
      for (let index = 0; index < notes.length; index++) (notes[index] as FlowMetric["note"])(flow);
    },
    noteLost: ({ source, count }) => lost.inc({ source: lostSourceName(source) }, count),
    podGone: (namespace, name) => {
      goneAtMs.set(`${namespace}/${name}`, now());
      // Where nobody scrapes, nobody else would.
      if (goneAtMs.size % 256 === 0) sweep();
    },
    podPresent: (namespace, name) => void goneAtMs.delete(`${namespace}/${name}`),
    get size() {
      return families.reduce((sum, family) => sum + family.size, 0);
    },
  };
}

function create(
  { name, options }: MetricConfig,
  all: readonly MetricConfig[],
  limit: number,
): FlowMetric {
  const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
  if (!kind)
    throw new MetricsConfigError(
      `hubble-metrics: "${name}" is no metric: wanted ${metricKinds.join(", ")}`,
    );
  const other = all.find((each) => kind.excludes?.includes(each.name));
  if (other)
    throw new MetricsConfigError(`hubble-metrics: ${name} and ${other.name} exclude each other`);
  const known = [...contextOptions, ...kind.options];
  const isKnown = new Set(known.map((option) => option.toLowerCase()));
  const unknown = [...options.keys()].find((key) => !isKnown.has(key));
  if (unknown !== undefined)
    throw new MetricsConfigError(
      `hubble-metrics: ${name}: "${unknown}" is no option: wanted ${known.join(", ")}`,
    );
  try {
    return kind.create({ context: compileContext(options), options, limit });
  } catch (cause) {
    if (!(cause instanceof MetricsConfigError)) throw cause;
    throw new MetricsConfigError(`hubble-metrics: ${name}: ${cause.message}`);
  }
}

function removeGone(
  goneAtMs: Map<string, number>,
  beforeMs: number,
  metrics: readonly FlowMetric[],
): void {
  const due = new Set([...goneAtMs].filter(([, atMs]) => atMs <= beforeMs).map(([pod]) => pod));
  if (due.size === 0) return;
  for (const pod of due) goneAtMs.delete(pod);
  for (const family of metrics.flatMap((metric) => metric.families))
    family.removePods((pod) => due.has(pod));
}

function lostEvents(registry: Registry): Counter<"source"> {
  return new Counter({
    name: "hubble_lost_events_total",
    help: "Number of lost events",
    labelNames: ["source"],
    registers: [registry],
  });
}

function lostSourceName(source: number): string {
  switch (source) {
    case LostEventSource.perfEventRingBuffer:
      return "perf_event_ring_buffer";
    case LostEventSource.observerEventsQueue:
      return "observer_events_queue";
    case LostEventSource.hubbleRingBuffer:
      return "hubble_ring_buffer";
    default:
      return "unknown";
  }
}

/** Also sweeps at every scrape: a registry asks its metrics in the order in which they were registered. */
function notCounted(registry: Registry, metrics: readonly FlowMetric[], sweep: () => void): void {
  new Counter({
    name: "hubble_metrics_not_counted_total",
    help: "Flows that a metric has not counted, having as many series as it may have",
    labelNames: ["metric"],
    registers: [registry],
    collect() {
      sweep();
      this.reset();
      for (const { name, refused } of metrics.flatMap((metric) => metric.families))
        if (refused > 0) this.inc({ metric: name }, refused);
    },
  });
}
