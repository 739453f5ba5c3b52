// Identities of this node alone, which have no object and never travel in a packet: addresses outside the cluster that
// are more than the world, and nodes with their labels. The number's top byte says which.
import { createHash } from "node:crypto";
import type { Labels } from "@tsilium/net";
import type { Table } from "@tsilium/tables";
import { type Identity, type LocalScope, localScopes } from "./model.ts";

const numbersOfScope = 2 ** 24;

/** Rows go into the table of all identities, which is also where they are looked up. */
export class LocalIdentities {
  readonly #table: Table<Identity>;
  readonly #references = new Map<number, number>();

  constructor(table: Table<Identity>) {
    this.#table = table;
  }

  /** The number of these labels, with one reference to it: give it back by `release`. */
  acquire(scope: LocalScope, labels: Labels): number {
    for (const id of numbersFor(scope, labels)) {
      const known = this.#table.get(String(id));
      if (known && !known.labels.equals(labels)) continue;
      this.#references.set(id, (this.#references.get(id) ?? 0) + 1);
      if (!known) this.#table.upsert({ id, labels, reserved: false });
      return id;
    }
    throw new RangeError(`every local identity is taken, none is left for ${labels}`);
  }

  /** Gives one reference back; the last one takes the identity away. */
  release(id: number): void {
    const references = (this.#references.get(id) ?? 0) - 1;
    if (references > 0) this.#references.set(id, references);
    else if (this.#references.delete(id)) this.#table.delete(String(id));
  }
}

/** Labels decide their number: after a restart it is, most likely, the one that the kernel has for them. */
function* numbersFor(scope: LocalScope, labels: Labels): Generator<number, void> {
  const start = createHash("sha256").update(labels.key).digest().readUInt32BE(0);
  for (let step = 0; step < numbersOfScope; step++)
    yield localScopes[scope] + ((start + step) % numbersOfScope);
}
