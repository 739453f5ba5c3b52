// @tsilium/runtime: what every long-running process has around its work.
export { type HealthState, type PartHealth, reconcilerHealth, worst } from "./health.ts";
export { createLog, type Logger, type LogOptions } from "./log.ts";
export { type Reading, ProcessMetrics } from "./metrics.ts";
export { parseListenAddress } from "./listen-address.ts";
export { type Page, PageServer } from "./pages.ts";
