// The datapath: what the agent and the CLI may do to, and read from, the node's eBPF programs and maps.
export type { Conntrack } from "./tables/conntrack.ts";
export { Datapath, type DatapathOptions } from "./datapath.ts";
export { dropReasons, firstDropCode, reasonText } from "./tables/drop-reasons.ts";
export type { Endpoints } from "./tables/endpoints.ts";
export { DatapathError, type DatapathErrorCode } from "./errors.ts";
export { headerLayout, packetEventLayout, socketEventLayout } from "./tables/event-layout.ts";
export { EventRings, openEventRings } from "./tables/event-rings.ts";
export { decodeEvent } from "./tables/events.ts";
export {
  direction as eventDirection,
  event as eventCodec,
  eventClass,
  eventHeader as eventHeaderCodec,
  eventKind,
  policyVerdict,
  socketEvent as socketEventCodec,
  traceLevel,
  translationPoint,
} from "./gen/abi.ts";
export type { HookKind } from "./programs/hooks.ts";
export type { DatapathLog } from "./log.ts";
export type { Metrics } from "./tables/metrics.ts";
export * from "./model.ts";
export {
  deviceMtu,
  encapsulationOverhead,
  mtuProblem,
  routeMtu,
  type MtuFacts,
} from "./node/mtu.ts";
export type { Nat } from "./tables/nat.ts";
export { NodeRoutes } from "./node/node-routes.ts";
export type { NodesMap } from "./tables/nodes.ts";
export { openMaps, type PinnedMaps } from "./open-maps.ts";
export type { PinnedServices } from "./services/pinned-services.ts";
export { PolicyMaps, type PolicyKeep } from "./policy/policy-maps.ts";
export type { KernelSlot, PolicySurvey } from "./policy/survey.ts";
export { removeDatapath } from "./remove.ts";
export type { ServiceMaps, TableUsage } from "./services/service-maps.ts";
export { hostDevice } from "./node/routes.ts";
export { tableSizes } from "./pinned/sizing.ts";
export type { SweepResult } from "./tables/sweep.ts";
