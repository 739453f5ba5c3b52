// The cluster's nodes in the kernel, by underlay address: encapsulated packets are believed from these alone.
import type { TypedMap } from "@tsilium/ebpf";
import type { Address } from "@tsilium/net";
import { fromMappedBytes, mappedBytes } from "./address-key.ts";
import { nodeFlags } from "../gen/abi.ts";
import type { AddressKey, Node as NodeRow } from "../gen/abi.ts";
import type { NodeEntry } from "../model.ts";

export class NodesMap {
  readonly #map: TypedMap<AddressKey, NodeRow>;

  constructor(map: TypedMap<AddressKey, NodeRow>) {
    this.#map = map;
  }

  /** Idempotent. @throws BpfError E2BIG when the map is full */
  upsert(entry: NodeEntry): void {
    const row = { flags: entry.local ? nodeFlags.local : 0 };
    this.#map.update({ address: mappedBytes(entry.address) }, row);
  }

  /** False when it was gone. */
  delete(address: Address): boolean {
    return this.#map.delete({ address: mappedBytes(address) });
  }

  list(): NodeEntry[] {
    return listNodes(this.#map);
  }
}

/** Every node address, in order. */
export function listNodes(map: TypedMap<AddressKey, NodeRow>): NodeEntry[] {
  const entries = Array.from(map.entries()).flatMap(([key, row]) => {
    const address = fromMappedBytes(key.address);
    return address ? [{ address, local: (row.flags & nodeFlags.local) !== 0 }] : [];
  });
  return entries.sort((a, b) => a.address.compare(b.address));
}
