// Address rows on their way into the kernel. A row waits as long as some slot in force could not be told what class
// its cidr set is of: with the set of before the address is at least judged as before.
import type { AddressChanges, AddressRow } from "@tsilium/ipcache";
import type { PolicyMaps } from "@tsilium/datapath";
import type { Prefix } from "@tsilium/net";
import type { Condition } from "./model.ts";
import { refusal } from "./refusal.ts";

/** What should become of a prefix's row. */
type Pending = { readonly prefix: Prefix; readonly row: AddressRow | undefined; error?: string };

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

  /** Writes what may be written. True when some address is somebody else's now. */
  write(maps: PolicyMaps, blockedSets: ReadonlySet<number>): boolean {
    let changed = false;
    for (const [text, pending] of this.#pending) {
      const { prefix, row } = pending;
      if (row && blockedSets.has(row.cidrSet)) {
        pending.error = `cidr set ${row.cidrSet} is not in every slot yet`;
        continue;
      }
      try {
        changed = (row ? maps.writeAddresses([row]) : maps.deleteAddresses([prefix])) || changed;
        this.#pending.delete(text);
        if (row) this.#written.add(text);
        else this.#written.delete(text);
      } catch (error) {
        pending.error = refusal(error);
      }
    }
    return changed;
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
