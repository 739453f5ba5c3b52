// Addresses for the pods of one node.
export { ClusterPool, type ClusterPoolOptions } from "./cluster-pool.ts";
export { IpamError, type IpamErrorCode } from "./errors.ts";
export * from "./model.ts";
