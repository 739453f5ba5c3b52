// Filters of flows: flow.FlowFilter's messages -> a function.
export { compileFilter, compileFilters, matchAll, type FilterLists } from "./compile.ts";
export type { Condition } from "./condition.ts";
export { FilterError, type FilterFault } from "./error.ts";
