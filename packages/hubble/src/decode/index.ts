// What the kernel, and proxies, tell of packets, as flows.
export { BootClock, type ClockSources } from "./clock.ts";
export { FlowDecoder, type DecoderStatistics, type FlowDecoderOptions } from "./decoder.ts";
export type { L7Record } from "./l7.ts";
export { numberFlows } from "./number.ts";
export type { RecordMemory } from "./record.ts";
