// Addresses with ports as people write them.
import type { Address } from "@tsilium/net";
import { protocolName } from "./commands/policy-entries.ts";

/** "10.0.0.1:80", "[fd00::1]:80" */
export function socketAddress(address: Address, port: number): string {
  return address.family === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

/** "10.0.0.1:80/TCP"; protocol 0 is "ANY". */
export function serviceAddress(address: Address, port: number, protocol: number): string {
  return `${socketAddress(address, port)}/${protocol === 0 ? "ANY" : protocolName(protocol)}`;
}
