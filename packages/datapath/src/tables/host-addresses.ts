// The node's own addresses among those that programs deliver to: packets for them go to the host's stack.
import type { TypedMap } from "@tsilium/ebpf";
import type { Address } from "@tsilium/net";
import { mappedBytes } from "./address-key.ts";
import { hostRow } from "./endpoint-rows.ts";
import { endpointFlags } from "../gen/abi.ts";
import type { AddressKey, Endpoint } from "../gen/abi.ts";

/** Makes the map's host entries exactly these addresses; entries of pods are left alone. Idempotent. */
export function syncHostAddresses(
  map: TypedMap<AddressKey, Endpoint>,
  addresses: readonly Address[],
): void {
  const wanted = new Map(addresses.map((address) => [keyText(mappedBytes(address)), address]));
  for (const [key, row] of map.entries()) {
    if ((row.flags & endpointFlags.host) === 0) continue;
    if (!wanted.delete(keyText(key.address))) map.delete(key);
  }
  const row = hostRow();
  for (const address of wanted.values()) map.update({ address: mappedBytes(address) }, row);
}

function keyText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
