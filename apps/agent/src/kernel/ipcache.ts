// The ipcache's winners as kernel map entries.
import type { IpcacheEntry } from "@tsilium/datapath/model.ts";
import type { IpcacheRow } from "@tsilium/ipcache/model.ts";
import type { Operations } from "@tsilium/tables";
import type { Prefix } from "@tsilium/net";

export type IpcacheMap = {
  upsert(entry: IpcacheEntry): void;
  delete(prefix: Prefix): unknown;
  list(): readonly IpcacheEntry[];
};

export type IpcacheOptions = {
  readonly map: IpcacheMap;
  readonly tunnel: boolean;
  /** Until this says so the table does not know all it will, and nothing that the kernel has is pruned. */
  readonly complete: () => boolean;
};

/** Operations for a reconciler over the ipcache's table. */
export function ipcacheOperations({
  map,
  tunnel,
  complete,
}: IpcacheOptions): Operations<IpcacheRow> {
  return {
    update: (row) => map.upsert(entryOf(row, tunnel)),
    delete: (row) => void map.delete(row.prefix),
    prune(rows) {
      if (!complete()) return;
      const wanted = new Set(rows.map((row) => row.prefix.toString()));
      for (const { prefix } of map.list()) {
        if (!wanted.has(prefix.toString())) map.delete(prefix);
      }
    },
  };
}

/** Without tunnel the kernel's routes decide where an address lives. */
export function entryOf(row: IpcacheRow, tunnel: boolean): IpcacheEntry {
  const { prefix, identity, hostIp } = row;
  return { prefix, identity, tunnelEndpoint: tunnel ? hostIp : undefined };
}
