// Destinations that pods reach with their own addresses: ip-masq-agent's nonMasqueradeCIDRs in the kernel.
import type { TypedMap } from "@tsilium/ebpf";
import type { Prefix } from "@tsilium/net";
import type { IpcacheKey } from "../gen/abi.ts";
import { fromPrefixKey, prefixKey } from "./address-key.ts";

export class IpMasqMap {
  readonly #map: TypedMap<IpcacheKey, number>;

  constructor(map: TypedMap<IpcacheKey, number>) {
    this.#map = map;
  }

  /**
   * Makes these prefixes, of both families, the exempt ones; what is new is written before what is not wanted goes.
   * Connections that were masqueraded before stay so. Idempotent.
   * @throws BpfError ENOSPC beyond 16,384 prefixes: then the old ones are all still there, and some of the new
   */
  setExempt(prefixes: Iterable<Prefix>): void {
    const wanted = new Map(Array.from(prefixes, (prefix) => [prefix.toString(), prefix]));
    const present = this.list();
    const known = new Set(present.map(String));
    for (const [text, prefix] of wanted)
      if (!known.has(text)) this.#map.update(prefixKey(prefix), 1);
    for (const prefix of present)
      if (!wanted.has(prefix.toString())) this.#map.delete(prefixKey(prefix));
  }

  list(): Prefix[] {
    return listExempt(this.#map);
  }
}

/** Every exempt prefix, IPv4 first, in order of address. */
export function listExempt(map: TypedMap<IpcacheKey, number>): Prefix[] {
  return Array.from(map.entries(), ([key]) => fromPrefixKey(key)).sort(
    (a, b) => a.address.compare(b.address) || a.length - b.length,
  );
}
