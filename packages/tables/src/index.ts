// In-memory tables with change streams, and the one reconciler that makes the world match a table.
export type { FailureReport, RetryDelays } from "./backlog.ts";
export {
  Reconciler,
  type Operations,
  type ReconcilerLog,
  type ReconcilerOptions,
  type ReconcilerStatus,
} from "./reconciler.ts";
export { Table, type Change, type SubscribeOptions, type TableOptions } from "./table.ts";
