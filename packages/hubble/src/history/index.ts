// Flows of the past on disk.
export { isDenial } from "./denial.ts";
export { HistoryError, type HistoryErrorCode } from "./errors.ts";
export { History } from "./history.ts";
export type { HistoryOptions, HistoryStatistics, StreamStatistics } from "./model.ts";
export { flowUuid, newStoreId, parseFlowUuid, type StoreId } from "./uuid.ts";
