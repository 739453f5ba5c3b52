// Why a service has not all that it asks for: Cilium's reasons, in Cilium's words where it has some.
import type { Address } from "@tsilium/net";
import type { Reason } from "./model.ts";

export type Failure = { readonly reason: Reason; readonly message: string };

const failure = (reason: Reason, message: string): Failure => ({ reason, message });

export const failures = {
  noMatchingPool: failure(
    "no_pool",
    "There are no enabled CiliumLoadBalancerIPPools that match this service",
  ),
  outOfIps: failure(
    "out_of_ips",
    "All enabled CiliumLoadBalancerIPPools that match this service ran out of allocatable IPs",
  ),
  notAnAddress: (text: string) => failure("invalid_ip", `${JSON.stringify(text)} is no IP address`),
  otherFamily: (address: Address) =>
    failure("ip_family_mismatch", `The service has no IPv${address.family}, as '${address}' is`),
  noPoolAround: (address: Address) =>
    failure("no_pool", `No pool exists with a CIDR containing '${address}'`),
  poolGivesNothing: (address: Address) =>
    failure("no_pool", `The pool with the CIDR containing '${address}' gives no new addresses`),
  notSelected: (address: Address) =>
    failure(
      "pool_selector_mismatch",
      `The pool with the CIDR containing '${address}', doesn't select this service`,
    ),
  reserved: (address: Address, owner: string) =>
    failure("ip_reserved", `The IP '${address}' is reserved: ${owner}`),
  endOfBlock: (address: Address) =>
    failure("ip_reserved", `The IP '${address}' is the first or the last of its block`),
  allocated: (address: Address) =>
    failure("already_allocated", `The IP '${address}' is already allocated to another service`),
  incompatible: (address: Address, why: string) =>
    failure(
      "already_allocated_incompatible_service",
      `The IP '${address}' is already allocated to an incompatible service. Reason: ${why}`,
    ),
} as const;
