// Prometheus metrics of flows.
export { MetricsServer, type MetricsServerOptions } from "./server.ts";
export { type MetricConfig, parseMetrics } from "./config.ts";
export { MetricsConfigError } from "./error.ts";
export {
  createFlowMetrics,
  type FlowMetrics,
  type FlowMetricsOptions,
  metricKinds,
} from "./flow-metrics.ts";
