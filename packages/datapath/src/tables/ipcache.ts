// The address-to-identity table in the kernel: prefix -> identity and the node that has it, longest prefix first.
import type { TypedMap } from "@tsilium/ebpf";
import type { Prefix } from "@tsilium/net";
import { fromMappedBytes, fromPrefixKey, mappedBytes, prefixKey } from "./address-key.ts";
import type { IpcacheKey, IpcacheEntry as IpcacheRow } from "../gen/abi.ts";
import type { IpcacheEntry } from "../model.ts";

type Parts = { readonly map: TypedMap<IpcacheKey, IpcacheRow>; readonly bumpEpoch: () => void };

/** Fields of a row that a remembered verdict depends on. */
const decisive = ["identity", "owner", "cidrSet"] as const;

export class IpcacheMap {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Writes one entry, and moves the epoch if that changes whose an address is. @throws BpfError ENOSPC */
  upsert(entry: IpcacheEntry): void {
    this.upsertMany([entry]);
  }

  /**
   * Writes many, and moves the epoch at most once, after the last: when some address is somebody else's from now on. A
   * new prefix takes its addresses from a shorter one. Answers whether any did.
   */
  upsertMany(entries: Iterable<IpcacheEntry>): boolean {
    const rows = Array.from(
      entries,
      (entry) => [prefixKey(entry.prefix), ipcacheRow(entry)] as const,
    );
    const changed = rows.some(([key, row]) => this.#isOther(key, row));
    this.#parts.map.updateMany(rows);
    if (changed) this.#parts.bumpEpoch();
    return changed;
  }

  /** Removes a prefix; false when it was gone. */
  delete(prefix: Prefix): boolean {
    return this.deleteMany([prefix]);
  }

  /** Removes prefixes, and moves the epoch if any was there, which is the answer. */
  deleteMany(prefixes: Iterable<Prefix>): boolean {
    const deleted = this.#parts.map.deleteMany(Array.from(prefixes, prefixKey)) > 0;
    if (deleted) this.#parts.bumpEpoch();
    return deleted;
  }

  list(): IpcacheEntry[] {
    return listIpcache(this.#parts.map);
  }

  /** Every entry, in the map's order. */
  entries(): IpcacheEntry[] {
    return readIpcache(this.#parts.map);
  }

  /** Whether a row makes an address somebody else's. What the trie answers is a shorter prefix's row, or this one's. */
  #isOther(key: IpcacheKey, row: IpcacheRow): boolean {
    const previous = this.#parts.map.lookup(key);
    return previous === undefined || decisive.some((field) => previous[field] !== row[field]);
  }
}

/** Every entry of the map, IPv4 first, in order of address. */
export function listIpcache(map: TypedMap<IpcacheKey, IpcacheRow>): IpcacheEntry[] {
  return readIpcache(map).sort(
    (a, b) => a.prefix.address.compare(b.prefix.address) || a.prefix.length - b.prefix.length,
  );
}

function readIpcache(map: TypedMap<IpcacheKey, IpcacheRow>): IpcacheEntry[] {
  return Array.from(map.entries(), ([key, row]) => ({
    prefix: fromPrefixKey(key),
    identity: row.identity,
    tunnelEndpoint: fromMappedBytes(row.tunnelEndpoint),
    owner: row.owner,
    cidrSet: row.cidrSet,
  }));
}

function ipcacheRow(entry: IpcacheEntry): IpcacheRow {
  return {
    identity: entry.identity,
    cidrSet: entry.cidrSet,
    tunnelEndpoint: mappedBytes(entry.tunnelEndpoint),
    flags: 0,
    owner: entry.owner,
  };
}
