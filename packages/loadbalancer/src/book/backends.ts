// Backends of all services: one row per address, port and protocol, as long as any service has it.
import type { BackendEntry, Delta } from "@tsilium/datapath/model.ts";
import { type DecidedBackend, endpointText } from "../model.ts";
import { Ids, type IdRange } from "./ids.ts";
import { Pending, type RowState } from "./row.ts";

export type BackendRow = RowState<BackendEntry> & {
  readonly id: number;
  readonly key: string;
  readonly address: BackendEntry["address"];
  readonly port: number;
  readonly protocol: number;
  /** Pools that it is in. */
  users: number;
  /** Pools in which it is active. */
  activeIn: number;
};

export class Backends {
  readonly #rows = new Map<string, BackendRow>();
  /** By number, until the first changes are in the kernel. */
  readonly #adopted = new Map<number, BackendRow>();
  /** In the kernel, and of no use: another has the same address or number. */
  #strays: readonly BackendEntry[] = [];
  readonly #ids: Ids;
  readonly #pending = new Pending<BackendRow, BackendEntry>({
    onRemoved: (row) => this.#forget(row),
  });

  constructor(range: IdRange) {
    this.#ids = new Ids(range);
  }

  get size(): number {
    return this.#rows.size;
  }

  /** @throws Error when no pool has it: sets are made of pools' backends. */
  row(key: string): BackendRow {
    const row = this.#rows.get(key);
    if (!row) throw new Error(`backend ${key} is in a set and in no pool`);
    return row;
  }

  find(key: string): BackendRow | undefined {
    return this.#rows.get(key);
  }

  /** Of those that were found in the kernel. */
  byId(id: number): BackendRow | undefined {
    return this.#adopted.get(id);
  }

  acquire(backend: DecidedBackend): void {
    const row = this.#rows.get(backend.key) ?? this.#add(backend);
    row.users++;
    if (backend.state === "active") row.activeIn++;
    this.#pending.touch(row);
  }

  release(backend: DecidedBackend): void {
    const row = this.row(backend.key);
    row.users--;
    if (backend.state === "active") row.activeIn--;
    this.#pending.touch(row);
  }

  /** Takes over what the kernel has. */
  adopt(entries: readonly BackendEntry[]): void {
    this.#strays = entries.filter((entry) => !this.#adopt(entry));
  }

  changes(): Delta<BackendEntry> {
    const { put, remove } = this.#pending.take({
      want: ({ users, activeIn, id, address, port, protocol }) =>
        users === 0
          ? undefined
          : { id, address, port, protocol, state: activeIn > 0 ? "active" : "terminating" },
      same: (a, b) => a.id === b.id && a.state === b.state,
    });
    return { put: put.map(({ entry }) => entry), remove: [...remove, ...this.#strays] };
  }

  applied(): void {
    this.#pending.applied();
    this.#strays = [];
    this.#adopted.clear();
  }

  failed(): void {
    this.#pending.failed();
  }

  #adopt(entry: BackendEntry): boolean {
    const { id, address, port, protocol } = entry;
    const key = endpointText(address, port, protocol);
    // Even a stray's number must not be given to another before it is gone.
    if (!this.#ids.take(id) || this.#rows.has(key)) return false;
    const at = { id, key, address, port, protocol };
    const row = { ...at, users: 0, activeIn: 0, written: entry, unsure: false };
    this.#rows.set(key, row);
    this.#adopted.set(id, row);
    this.#pending.touch(row);
    return true;
  }

  #add({ key, address, port, protocol }: DecidedBackend): BackendRow {
    const id = this.#ids.allocate();
    if (id === undefined) throw new Error("2^31 backends are in use");
    const at = { id, key, address, port, protocol };
    const row = { ...at, users: 0, activeIn: 0, written: undefined, unsure: false };
    this.#rows.set(key, row);
    return row;
  }

  #forget(row: BackendRow): void {
    if (row.users > 0 || this.#rows.get(row.key) !== row) return;
    this.#rows.delete(row.key);
    this.#ids.free(row.id);
  }
}
