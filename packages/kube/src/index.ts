// @tsilium/kube: a typed client of the Kubernetes API, and list+watch that never loses step.
export * from "./types/meta.ts";
export * from "./types/pod.ts";
export * from "./types/core.ts";
export * from "./types/service.ts";
export type * from "./types/endpoints.ts";
export type * from "./types/revisioned.ts";
export * from "./types/cilium.ts";
export type * from "./types/eni.ts";
export type * from "./types/policy.ts";
export { apiVersionOf, objectKey, resourcePath, resources, type Resource } from "./resources.ts";
export { KubeError } from "./errors.ts";
export { connectionFromKubeconfig, connectionInCluster, type ConnectionOptions } from "./config.ts";
export { KubeClient } from "./client.ts";
export type * from "./options.ts";
export { reflect, type ReflectHandlers, type ReflectOptions } from "./reflect.ts";
export {
  reflectObserved,
  type Observed,
  type ObservedOptions,
  type WatchObserver,
} from "./observe.ts";
export { withoutManagedFields } from "./managed-fields.ts";
export { selects } from "./selector.ts";
export { reflectTable, type Reflected } from "./reflect-table.ts";
export { LeaderElection, type LeaderElectionOptions } from "./leader-election/leader-election.ts";
