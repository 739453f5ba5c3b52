// The L7 engine that drives HAProxy: README of this package.
export { HaproxyEngine, type HaproxyOptions } from "./engine.ts";
export { HaproxyError, type HaproxyErrorCode } from "./error.ts";
