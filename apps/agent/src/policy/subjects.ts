// The subjects that this node's endpoints need: one per content, counted, numbered clear of what the kernel still has
// from before. What the worker says of each is in `table`.
import { Table } from "@tsilium/tables";
import type { SubjectState, WantedSubject } from "./model.ts";

export type SubjectRow = {
  readonly id: number;
  readonly wanted: WantedSubject;
  /** Endpoints that are, or are about to be, held to it. */
  readonly references: number;
  /** undefined: the kernel does not hold its policy yet, as far as is known. */
  readonly state: SubjectState | undefined;
};

/** Index 0 of tsi_policy_subject is "none", and the last is never in use (bpf/maps/policy.h). */
const first = 1;
const limit = 65_535;

export class Subjects {
  readonly table: Table<SubjectRow> = new Table<SubjectRow>({
    name: "subjects",
    key: ({ id }) => String(id),
    indexes: { content: ({ wanted }) => [contentOf(wanted)] },
  });
  /** Numbers in the kernel that no endpoint of ours was given. */
  readonly #strangers: Set<number>;
  #next = first;

  /** @param strangers numbers that endpoints' rows in the kernel name already */
  constructor(strangers: Iterable<number>) {
    this.#strangers = new Set(strangers);
  }

  get(id: number): SubjectRow | undefined {
    return this.table.get(String(id));
  }

  /** One reference more to the subject of this content, which may be new. @throws RangeError when there are too many */
  acquire(wanted: WantedSubject): SubjectRow {
    const [known] = this.table.by("content", contentOf(wanted));
    const row: SubjectRow = known
      ? { ...known, references: known.references + 1 }
      : { id: this.#free(), wanted, references: 1, state: undefined };
    this.table.upsert(row);
    return row;
  }

  /** One reference less; the last takes the subject with it. */
  release(id: number): void {
    const row = this.get(id);
    if (!row) return;
    if (row.references === 1) this.table.delete(String(id));
    else this.table.upsert({ ...row, references: row.references - 1 });
  }

  /** Told by the worker what is in the kernel. */
  setState(state: SubjectState): void {
    const row = this.get(state.id);
    if (row) this.table.upsert({ ...row, state });
  }

  /** The worker is gone: what it would have said of anything since is not known. */
  forgetStates(): void {
    for (const row of this.table.values().toArray())
      this.table.upsert({ ...row, state: undefined });
  }

  /** No endpoint's row names a number from before any more. */
  forgetStrangers(): void {
    this.#strangers.clear();
  }

  #free(): number {
    for (let tried = first; tried < limit; tried++) {
      const id = this.#next;
      this.#next = id + 1 < limit ? id + 1 : first;
      if (!this.#strangers.has(id) && !this.table.has(String(id))) return id;
    }
    throw new RangeError("every number of a policy subject is in use");
  }
}

function contentOf({ identity, labels, namedPorts, audit }: WantedSubject): string {
  const ports = namedPorts.map(({ name, protocol, port }) => `${name} ${protocol} ${port}`);
  return JSON.stringify([identity, labels, ports.toSorted(), audit]);
}
