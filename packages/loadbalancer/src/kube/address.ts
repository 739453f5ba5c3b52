// Which addresses services may have anything to do with.
import { Address } from "@tsilium/net";
import type { Field } from "./field.ts";
import { quoted } from "./field.ts";

/** An address with the field that names it. */
export type NamedAddress = { readonly address: Address; readonly path: string };

/** Reads an address that can be a service's or a backend's; anything else is warned of. */
export function parseAddress(field: Field): NamedAddress | undefined {
  const text = field.text();
  if (text === undefined) return undefined;
  const address = Address.tryParse(text);
  const problem = address ? addressProblem(address) : `${quoted(text)} is not an IP address`;
  if (problem !== undefined) field.warn(problem);
  return address && problem === undefined ? { address, path: field.path } : undefined;
}

/**
 * Why no service and no backend may have the address, as a sentence; undefined: it may.
 * IPv4-mapped IPv6 addresses would be IPv4 ones to the kernel's tables, past every comparison made here.
 */
export function addressProblem(address: Address): string | undefined {
  if (address.isUnspecified) return `${address} is the unspecified address`;
  if (address.isLoopback) return `${address} is a loopback address`;
  if (address.isLinkLocal) return `${address} is a link-local address`;
  if (address.isMulticast) return `${address} is a multicast address`;
  if (isMapped(address)) return `${address} is an IPv4-mapped IPv6 address`;
  if (address.family === 4 && (address.bytes[0] === 0 || (address.bytes[0] ?? 0) >= 240))
    return `${address} is in a reserved range`;
  return undefined;
}

/** ::ffff:0:0/96 (RFC 4291, 2.5.5.2). */
export function isMapped(address: Address): boolean {
  return (
    address.family === 6 &&
    address.bytes[10] === 0xff &&
    address.bytes[11] === 0xff &&
    address.bytes.subarray(0, 10).every((byte) => byte === 0)
  );
}
