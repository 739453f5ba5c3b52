// Whether the nodes of the cluster reach each other: probes of nodes and of their health endpoints.
export {
  connectivity,
  isAnswer,
  nodeConnectivity,
  pathConnectivity,
  probeIntervalMs,
  reachableText,
} from "./decide.ts";
export { hello, type HelloOptions, helloPath, HelloServer } from "./hello.ts";
export { ping, type PingOptions } from "./ping.ts";
export { HealthProber, type Probe, type ProberOptions } from "./prober.ts";
export {
  type AddressesView,
  type ConnectivityView,
  type HealthStatusOptions,
  type HealthStatusView,
  healthStatusView,
  type NodeHealthView,
  type PathView,
} from "./view.ts";
export * from "./model.ts";
