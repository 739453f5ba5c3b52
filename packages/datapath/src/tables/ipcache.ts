// The address-to-identity table in the kernel: prefix -> identity and the node that has it, longest prefix first.
import type { TypedMap } from "@tsilium/ebpf";
import type { Prefix } from "@tsilium/net";
import { fromMappedBytes, fromPrefixKey, mappedBytes, prefixKey } from "./address-key.ts";
import type { IpcacheKey, IpcacheEntry as IpcacheRow } from "../gen/abi.ts";
import type { IpcacheEntry } from "../model.ts";

type Parts = { readonly map: TypedMap<IpcacheKey, IpcacheRow>; readonly bumpEpoch: () => void };

export class IpcacheMap {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Writes one entry. Moves the epoch only if the prefix was there with another identity. @throws BpfError ENOSPC */
  upsert(entry: IpcacheEntry): void {
    if (this.#write(entry)) this.#parts.bumpEpoch();
  }

  /** Writes many, and moves the epoch at most once, after the last. */
  upsertMany(entries: Iterable<IpcacheEntry>): void {
    let changed = false;
    for (const entry of entries) changed = this.#write(entry) || changed;
    if (changed) this.#parts.bumpEpoch();
  }

  /** Removes a prefix; false when it was gone. */
  delete(prefix: Prefix): boolean {
    const deleted = this.#parts.map.delete(prefixKey(prefix));
    if (deleted) this.#parts.bumpEpoch();
    return deleted;
  }

  list(): IpcacheEntry[] {
    return listIpcache(this.#parts.map);
  }

  /** True when an identity was replaced. A trie's lookup finds shorter prefixes too: only EEXIST proves this one. */
  #write(entry: IpcacheEntry): boolean {
    const { map } = this.#parts;
    const key = prefixKey(entry.prefix);
    const row = ipcacheRow(entry);
    if (map.update(key, row, "create")) return false;
    const previous = map.lookup(key);
    map.update(key, row);
    return previous?.identity !== entry.identity;
  }
}

/** Every entry of the map, IPv4 first, in order of address. */
export function listIpcache(map: TypedMap<IpcacheKey, IpcacheRow>): IpcacheEntry[] {
  const entries = Array.from(map.entries(), ([key, row]) => ({
    prefix: fromPrefixKey(key),
    identity: row.identity,
    tunnelEndpoint: fromMappedBytes(row.tunnelEndpoint),
  }));
  return entries.sort(
    (a, b) => a.prefix.address.compare(b.prefix.address) || a.prefix.length - b.prefix.length,
  );
}

function ipcacheRow(entry: IpcacheEntry): IpcacheRow {
  return {
    identity: entry.identity,
    cidrSet: 0,
    tunnelEndpoint: mappedBytes(entry.tunnelEndpoint),
    flags: 0,
  };
}
