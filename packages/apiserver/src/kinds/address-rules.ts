// Which addresses may stand in a Service or an EndpointSlice.
import { Address } from "@tsilium/net";
import { field, type Cause } from "../errors.ts";

/**
 * Faults of an address that traffic is to be sent to: an endpoint or an external IP. Addresses that mean something else
 * on every node would have the node's own traffic, the metadata service's for one, end somewhere else.
 */
export function destinationCauses(text: string, path: string, family?: 4 | 6): Cause[] {
  const address = Address.tryParse(text);
  if (!address || (family && address.family !== family) || isMapped(address)) {
    return [field.invalid(path, text, `must be a valid IP${family ? `v${family}` : ""} address`)];
  }
  const fault = specialUse(address);
  return fault ? [field.invalid(path, text, fault)] : [];
}

function specialUse(address: Address): string | undefined {
  if (address.isUnspecified) return `may not be unspecified (${address})`;
  if (address.isLoopback) return "may not be in the loopback range (127.0.0.0/8, ::1/128)";
  if (address.isLinkLocal) return "may not be in the link-local range (169.254.0.0/16, fe80::/10)";
  if (address.isMulticast) return "may not be in the multicast range (224.0.0.0/4, ff00::/8)";
  return undefined;
}

/** ::ffff:0:0/96 is another spelling of IPv4, under which the checks above would be passed. */
function isMapped({ family, bytes }: Address): boolean {
  return (
    family === 6 &&
    bytes.subarray(0, 10).every((byte) => byte === 0) &&
    bytes[10] === 0xff &&
    bytes[11] === 0xff
  );
}
