// Addresses for the pods of one node.
export { IpamError, type IpamErrorCode } from "./errors.ts";
export * from "./model.ts";
export { type PoolDemand, type PoolFamily, PoolIpam, type PoolIpamOptions } from "./pool-ipam.ts";
