// Address rows on their way into the kernel. A row waits as long as some slot in force could not be told what class
// its cidr set is of: with the set of before the address is at least judged as before.
import type { AddressChanges, AddressRow } from "@tsilium/ipcache";
import type { PolicyMaps } from "@tsilium/datapath";
import type { Prefix } from "@tsilium/net";
import type { Condition } from "./model.ts";
import { refusal } from "./refusal.ts";

/** What should become of a prefix's row. */
type Pending = { readonly prefix: Prefix; readonly row: AddressRow | undefined; error?: string };

/** With the prefix's text. */
type Ready = readonly [text: string, pending: Pending];

export class AddressWriter {
  readonly #pending = new Map<string, Pending>();
  /** Prefixes with a row in the kernel, as text. */
  readonly #written = new Set<string>();
  /** Sets that no row of the table has any more; rows in the kernel may, as long as something is pending. */
  readonly #idleSets = new Set<number>();

  get isDone(): boolean {
    return this.#pending.size === 0;
  }

  /** Rows in the kernel. */
  get count(): number {
    return this.#written.size;
  }

  accept({ rows, removedRows, removedSets }: AddressChanges): void {
    for (const row of rows) this.#pending.set(row.prefix.toString(), { prefix: row.prefix, row });
    for (const prefix of removedRows) this.remove(prefix);
    for (const set of removedSets) this.#idleSets.add(set);
  }

  /** Has the row of a prefix removed. */
  remove(prefix: Prefix): void {
    this.#pending.set(prefix.toString(), { prefix, row: undefined });
  }

  /** Told of a row that the kernel holds already. As it is to be: nothing is left to do. */
  found(row: AddressRow): void {
    const text = row.prefix.toString();
    this.#pending.delete(text);
    this.#written.add(text);
  }

  /** Writes what may be written. True when some address is, or may be, somebody else's now. */
  write(maps: PolicyMaps, blockedSets: ReadonlySet<number>): boolean {
    const ready: Ready[] = [];
    for (const [text, pending] of this.#pending) {
      const { row } = pending;
      if (row && blockedSets.has(row.cidrSet))
        pending.error = `cidr set ${row.cidrSet} is not in every slot yet`;
      else ready.push([text, pending]);
    }
    const isRow = ([, { row }]: Ready) => row !== undefined;
    // Rows first: what a removed prefix covered is not without a row in between.
    const changes = [ready.filter(isRow), ready.filter((each) => !isRow(each))].map((part) =>
      this.#writeMany(maps, part),
    );
    return changes.includes(true);
  }

  /** All rows, or all removals, at once; if the kernel refuses some, one by one to find out which. */
  #writeMany(maps: PolicyMaps, ready: readonly Ready[]): boolean {
    if (ready.length === 0) return false;
    try {
      const changed = put(maps, ready);
      for (const [text, pending] of ready) this.#done(text, pending);
      return changed;
    } catch (error) {
      if (ready.length > 1) {
        for (const each of ready) this.#writeMany(maps, [each]);
        // Nobody knows what was written before the refusal.
        return true;
      }
      for (const [, pending] of ready) pending.error = refusal(error);
      return false;
    }
  }

  #done(text: string, { row }: Pending): void {
    this.#pending.delete(text);
    if (row) this.#written.add(text);
    else this.#written.delete(text);
  }

  /** Sets that no row has any more, in the kernel neither; they are told once. */
  takeIdleSets(): number[] {
    if (!this.isDone) return [];
    const idle = [...this.#idleSets];
    this.#idleSets.clear();
    return idle;
  }

  conditions(): Condition[] {
    return [...this.#pending].map(([name, { error }]) => ({
      kind: "address",
      name,
      reason: error ?? "not written yet",
    }));
  }
}

/** Whether some address is somebody else's now. @throws BpfError; some may have been written */
function put(maps: PolicyMaps, ready: readonly Ready[]): boolean {
  const rows = ready.flatMap(([, { row }]) => row ?? []);
  if (rows.length > 0) return maps.writeAddresses(rows);
  return maps.deleteAddresses(ready.map(([, { prefix }]) => prefix));
}
