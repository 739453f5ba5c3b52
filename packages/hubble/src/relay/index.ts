// Relay: the flows of all nodes at one place.
export { RelayMetrics } from "./metrics.ts";
export { type Relay, type RelayOptions, startRelay } from "./relay.ts";
