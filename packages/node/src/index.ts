// The nodes of the cluster: discovered from CiliumNodes, and our own published as one.
export { internalAddresses, nodeOf } from "./decide.ts";
export { NodeDiscovery, type NodeDiscoveryOptions } from "./discovery.ts";
export { NodeError, type NodeErrorCode } from "./errors.ts";
export { ensureLocalNode, NodePublisher, type NodePublisherOptions } from "./publisher.ts";
export * from "./model.ts";
