// The rows of tsi_ep_if and tsi_ep_addr: an endpoint as the programs see it, and back.
import { Mac } from "@tsilium/net";
import type { Address } from "@tsilium/net";
import { fromIpv4Number, fromMappedBytes, ipv4Number, mappedBytes } from "./address-key.ts";
import { endpointFlags } from "../gen/abi.ts";
import type { Endpoint } from "../gen/abi.ts";
import type { EndpointEntry } from "../model.ts";

/** Identity of the node itself (Cilium's reserved:host). */
const hostIdentity = 1;

/** The map value of a local pod. */
export function endpointRow(entry: EndpointEntry): Endpoint {
  return {
    ifindex: entry.ifindex,
    identity: entry.identity,
    id: entry.id,
    flags: 0,
    mac: entry.mac.bytes,
    nodeMac: entry.nodeMac.bytes,
    ipv4: ipv4Number(entry.ipv4),
    subject: entry.subject,
    ipv6: mappedBytes(entry.ipv6),
    netnsCookie: entry.netnsCookie,
  };
}

/** The map value of one of the node's own addresses: identity and flag alone are meant. */
export function hostRow(): Endpoint {
  return {
    ifindex: 0,
    identity: hostIdentity,
    id: 0,
    flags: endpointFlags.host,
    mac: new Uint8Array(6),
    nodeMac: new Uint8Array(6),
    ipv4: 0,
    subject: 0,
    ipv6: new Uint8Array(16),
    netnsCookie: 0n,
  };
}

/** The endpoint that a row of tsi_ep_if was written for. */
export function endpointEntry(row: Endpoint): EndpointEntry {
  return {
    id: row.id,
    ifindex: row.ifindex,
    identity: row.identity,
    ipv4: fromIpv4Number(row.ipv4),
    ipv6: fromMappedBytes(row.ipv6),
    mac: Mac.fromBytes(row.mac),
    nodeMac: Mac.fromBytes(row.nodeMac),
    subject: row.subject,
    netnsCookie: row.netnsCookie,
  };
}

/** The addresses an endpoint is delivered to under. */
export function addressesOf(entry: EndpointEntry): Address[] {
  return [entry.ipv4, entry.ipv6].filter((address) => address !== undefined);
}

/** Whether two entries grant the same addresses to the same identity under the same policy: no verdict is stale. */
export function sameMapping(a: EndpointEntry, b: EndpointEntry): boolean {
  return (
    a.identity === b.identity &&
    a.subject === b.subject &&
    a.ifindex === b.ifindex &&
    String(a.ipv4) === String(b.ipv4) &&
    String(a.ipv6) === String(b.ipv6)
  );
}
