// Local pods in the kernel: an entry by interface, one per address, and the link that runs the pods' shared program
// on the host-side veth. Creating a pod loads nothing.
import type { TypedMap } from "@tsilium/ebpf";
import type { Address } from "@tsilium/net";
import { mappedBytes } from "./address-key.ts";
import { addressesOf, endpointEntry, endpointRow, sameMapping } from "./endpoint-rows.ts";
import type { AddressKey, Endpoint } from "../gen/abi.ts";
import type { EndpointEntry } from "../model.ts";

/** Attaches the pods' program to an endpoint's interface and takes it off again; both idempotent. */
export type EndpointHook = {
  attach(endpoint: EndpointEntry): void;
  detach(endpointId: number, ifindex: number | undefined): void;
};

type Parts = {
  readonly byInterface: TypedMap<number, Endpoint>;
  readonly byAddress: TypedMap<AddressKey, Endpoint>;
  readonly hook: EndpointHook;
  readonly bumpEpoch: () => void;
};

export class Endpoints {
  readonly #parts: Parts;
  readonly #byId = new Map<number, EndpointEntry>();

  /** Adopts what the maps hold already. */
  constructor(parts: Parts) {
    this.#parts = parts;
    for (const [, row] of parts.byInterface.entries()) {
      const entry = endpointEntry(row);
      this.#byId.set(entry.id, entry);
    }
  }

  /**
   * Makes the kernel treat this endpoint as described: entries first, then the link, so that the first packet already
   * finds them. Idempotent; a changed interface, address, identity or subject replaces the old one, and a change of who
   * has an address, or under which policy, moves the epoch.
   * @throws BpfError E2BIG when the maps are full, ENODEV when the interface is gone; what was written stays, for
   * `delete` or the next `upsert` to correct.
   */
  upsert(entry: EndpointEntry): void {
    const { byInterface, byAddress, hook, bumpEpoch } = this.#parts;
    const previous = this.#byId.get(entry.id);
    const row = endpointRow(entry);
    byInterface.update(entry.ifindex, row);
    for (const address of addressesOf(entry))
      byAddress.update({ address: mappedBytes(address) }, row);
    this.#byId.set(entry.id, entry);
    if (previous !== undefined) this.#removeStale(previous, entry);
    // A new pod too: whoever spoke to its address before did so with somebody else, if only with the world.
    if (previous === undefined || !sameMapping(previous, entry)) bumpEpoch();
    hook.attach(entry);
  }

  /** Removes the endpoint's link, pin and entries; true if there was anything. */
  delete(id: number): boolean {
    const { byInterface, hook, bumpEpoch } = this.#parts;
    const entry = this.#byId.get(id);
    if (entry === undefined) {
      hook.detach(id, undefined);
      return false;
    }
    for (const address of addressesOf(entry)) this.#release(address, id);
    hook.detach(id, entry.ifindex);
    if (byInterface.lookup(entry.ifindex)?.id === id) byInterface.delete(entry.ifindex);
    this.#byId.delete(id);
    bumpEpoch();
    return true;
  }

  list(): EndpointEntry[] {
    return [...this.#byId.values()].sort((a, b) => a.id - b.id);
  }

  /** Removes what the previous form of an endpoint had and the new one has not. */
  #removeStale(previous: EndpointEntry, entry: EndpointEntry): void {
    const { byInterface } = this.#parts;
    const kept = new Set(addressesOf(entry).map(String));
    for (const address of addressesOf(previous))
      if (!kept.has(String(address))) this.#release(address, entry.id);
    if (previous.ifindex !== entry.ifindex && byInterface.lookup(previous.ifindex)?.id === entry.id)
      byInterface.delete(previous.ifindex);
  }

  /** An address may have a new owner by now, whose entry must stay. */
  #release(address: Address, id: number): void {
    const key = { address: mappedBytes(address) };
    if (this.#parts.byAddress.lookup(key)?.id === id) this.#parts.byAddress.delete(key);
  }
}
