// The L7 engine that drives Envoy by xDS. docs/envoy.md.
export { EnvoyEngine, type EnvoyOptions, unverified } from "./engine.ts";
export { EnvoyError, type EnvoyErrorCode } from "./error.ts";
