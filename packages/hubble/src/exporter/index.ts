// Flows exported to files, or to standard output, as lines of JSON.
export { parseFlowLogs, type FlowLogConfig } from "./config.ts";
export { exportProblems } from "./check.ts";
export { type Exporters, type ExportersOptions, startExporters } from "./exporters.ts";
