// The pods of this node: their life cycle, their interfaces, and the CNI protocol that makes and removes them.
export type * from "./model.ts";
export * from "./cni/environment.ts";
export * from "./cni/error.ts";
export * from "./cni/netconf.ts";
export * from "./cni/request.ts";
export * from "./cni/result.ts";
export * from "./cni/versions.ts";
export * from "./error.ts";
export * from "./ids.ts";
export * from "./names.ts";
export * from "./state-files.ts";
export * from "./states.ts";
export * from "./endpoints.ts";
export * from "./cilium-endpoint.ts";
export * from "./publisher.ts";
export { netnsCookie, netnsExists } from "./netns.ts";
export * from "./pod-interface.ts";
export * from "./chained-interface.ts";
